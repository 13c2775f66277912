/** How far one task, or a long piece of work, is: a bar on a terminal, a line every few seconds elsewhere, nothing if quiet. Always on standard error. */
import { SingleBar } from 'cli-progress';
import type { Clock } from '../base/ports.ts';
import { count, duration, percent, significant } from '../base/units.ts';
import type { TaskProgress } from '../train/types.ts';
import { createRate } from '../train/progress.ts';
import { terminalOf } from './display.ts';
import { createScreen, type ScreenStream } from './screen.ts';

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
const filled = ({ step, toStep }: TaskProgress): string => (toStep === 0 ? '' : filledTo(Math.min(1, step / toStep)));

function filledTo(share: number): string {
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

/** A long piece of work, shown by its phase. */
export interface WorkView {
  /** @param done of the work of all phases, in the unit of `toDo` */
  update(phase: string, done: number): void;
  /** Prints a line that stays. */
  note(line: string): void;
  close(): void;
}

export interface WorkOptions {
  readonly out: ScreenStream;
  /** Whether `out` can be drawn over. */
  readonly isTTY: boolean;
  readonly quiet: boolean;
  readonly clock: Clock;
}

const drawEveryMs = 100;
/** A rate over less says little about the rest. */
const rateAfterMs = 1_000;

/**
 * `finishing ██████░░░░░░ 50 %  learning curve of trial-0009  0:05 left`
 * @param toDo the work of all phases, in any unit
 */
export function showWork(title: string, toDo: number, { out, isTTY, quiet, clock }: WorkOptions): WorkView {
  if (quiet) return { update: () => {}, note: () => {}, close: () => {} };
  const screen = isTTY ? createScreen(out) : undefined;
  const [startedAt, rate] = [clock.now(), createRate(clock, 0)];
  let shownAt = -Infinity;
  let shownPhase = '';
  let frame: readonly string[] = [];
  return {
    update(phase, done) {
      const now = clock.now();
      const perSecond = rate(done);
      if (phase === shownPhase && now - shownAt < (screen === undefined ? lineEveryMs : drawEveryMs)) return;
      [shownAt, shownPhase] = [now, phase];
      const share = Math.min(1, done / toDo);
      const left = now - startedAt >= rateAfterMs && perSecond > 0 ? `  ${duration((toDo - done) / perSecond)} left` : '';
      if (screen === undefined) return void out.write(`${title}: ${percent(share)}  ${phase}${left}\n`);
      frame = [`${title}${filledTo(share)}  ${phase}${left}`.slice(0, screen.size().width)];
      screen.draw(frame);
    },
    note(line) {
      if (screen === undefined) out.write(`${line}\n`);
      else screen.draw(frame, [line]);
    },
    close() {
      frame = [];
      screen?.draw(frame);
    },
  };
}
