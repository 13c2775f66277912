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

function bar(title: string): ProgressView {
  const single = new SingleBar({
    format: `${title} {bar} {percentage} %  {text}`,
    stream: process.stderr,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
    emptyOnZero: true,
  });
  single.start(1, 0, { text: '' });
  return {
    update(progress) {
      single.setTotal(Math.max(1, progress.toStep));
      single.update(progress.toStep === 0 ? 1 : progress.step, { text: text(progress) });
    },
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
