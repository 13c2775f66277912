/** How far one task is: a bar on a terminal, a line every few seconds elsewhere, nothing if quiet. Always on standard error. */
import { SingleBar } from 'cli-progress';
import type { Clock } from '../base/ports.ts';
import { count, duration, percent, significant } from '../base/units.ts';
import type { TaskProgress } from '../train/types.ts';
import { terminalOf } from './display.ts';

export interface ProgressView {
  readonly update: (progress: TaskProgress) => void;
  close(): void;
}

const lineEveryMs = 5_000;

export function showProgress(title: string, { quiet, clock }: { readonly quiet: boolean; readonly clock: Clock }): ProgressView {
  if (quiet) return { update: () => {}, close: () => {} };
  return terminalOf(process.stderr, process.env).isTTY ? bar(title) : lines(title, clock);
}

/** `epoch 3/10  loss 0.4123  48k rows/s  0:12 left` */
function text({ phase, epoch, epochs, loss, rowsPerSecond, secondsLeft }: TaskProgress): string {
  if (phase === 'starting') return phase;
  return [
    phase === 'scoring' ? phase : `epoch ${Math.min(epoch + 1, epochs)}/${epochs}`,
    ...(phase === 'scoring' || loss === undefined ? [] : [`loss ${significant(loss)}`]),
    ...(rowsPerSecond > 0 ? [`${count(rowsPerSecond)} rows/s`] : []),
    ...(secondsLeft === undefined ? [] : [`${duration(secondsLeft)} left`]),
  ].join('  ');
}

const barCells = 24;

/** ` ██████░░░░░░ 50 %`; nothing for a baseline, which trains for no step. */
function filled({ step, toStep }: TaskProgress): string {
  if (toStep === 0) return '';
  const share = Math.min(1, step / toStep);
  const cells = Math.round(share * barCells);
  return ` ${'█'.repeat(cells)}${'░'.repeat(barCells - cells)} ${Math.floor(share * 100)} %`;
}

function bar(title: string): ProgressView {
  const single = new SingleBar({
    format: `${title}{filled}  {text}`,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
  });
  single.start(1, 0, { filled: '', text: '' });
  return {
    update: (progress) => single.update(0, { filled: filled(progress), text: text(progress) }),
    close: () => single.stop(),
  };
}

function lines(title: string, clock: Clock): ProgressView {
  let saidAt = -Infinity;
  let phase = '';
  return {
    update(progress) {
      if (progress.phase === 'starting') return;
      if (progress.phase === phase && clock.now() - saidAt < lineEveryMs) return;
      phase = progress.phase;
      saidAt = clock.now();
      const share = progress.phase === 'training' ? `${percent(progress.step / Math.max(1, progress.toStep))}  ` : '';
      process.stderr.write(`${title}: ${share}${text(progress)}\n`);
    },
    close: () => {},
  };
}
