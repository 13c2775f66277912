/** A running study as lines of text for a given width: what the live display draws. */
import { count, duration, epochsText, percent, significant } from '../base/units.ts';
import { isBetter, metricNames, type Paint } from './model.ts';
import type { Comparison, StudyView, WorkerRow } from './view.ts';

export interface FrameSize {
  /** Characters that a line may have. */
  readonly width: number;
  /** Lines that the frame may have. */
  readonly height: number;
}

/** What a frame shows: a view without its trials. */
export type FrameView = Omit<StudyView, 'rows' | 'failures'>;

/** A part of a line. Widths are counted on the text, so paint has no part in the layout. */
interface Part {
  readonly text: string;
  readonly brush?: ((text: string) => string) | undefined;
}

/** The header, a line a worker (none once the study is over), the best score so far. Workers that do not fit the height are counted. */
export function frameOf(view: FrameView, { width, height }: FrameSize, paint: Paint): readonly string[] {
  const over = view.phase === 'finished' || view.phase === 'stopped' || view.phase === 'cancelled';
  const long = bestParts(view, paint, 'long');
  const best = sizeOf(long) <= width ? long : bestParts(view, paint, 'short');
  const footer = best.length === 0 ? [] : [fit(best, width)];
  const room = Math.max(1, height - 1 - footer.length);
  const workers = over ? [] : view.workers;
  const shown = workers.length > room ? workers.slice(0, room - 1) : workers;
  const hidden = workers.length - shown.length;
  const more = hidden > 0 ? [fit([{ text: `and ${hidden} more workers`, brush: paint.dim }], width)] : [];
  return [fit(headerParts(view, paint), width), ...workerLines(shown, width, paint), ...more, ...footer];
}

/** The header and the best score in one line of any length. */
export const statusLine = (view: FrameView, paint: Paint): string =>
  fit([...headerParts(view, paint), ...bestParts(view, paint, 'long')], Infinity);

/** `diamonds  7/12 trials done, 2 running, 0 failed  elapsed 1:40  left 1:05`, or `diamonds  rung 2/3 (3 epochs): 1/4 trials scored, 2 running, 0 failed  ...` */
function headerParts(
  { study, phase, trials, baselines, rung, workers, elapsed, left }: FrameView,
  paint: Paint,
): readonly Part[] {
  const failed = trials.failed + baselines.failed;
  const open = baselines.total - baselines.done - baselines.failed;
  return [
    { text: study, brush: paint.bold },
    {
      // A trial that waits for its turn at a rung is on its way, but nobody runs it.
      text:
        rung === undefined
          ? `${trials.done}/${trials.total} trials done, ${trials.running} running, ${failed} failed`
          : `${rungText(rung)}, ${workers.filter(({ trial }) => trial !== undefined).length} running, ${failed} failed`,
      brush: failed > 0 ? paint.red : undefined,
    },
    ...(open > 0 ? [{ text: `${baselines.done}/${baselines.total} baselines` }] : []),
    ...(phase === 'running' || phase === 'finished' || phase === 'stopped' ? [] : [{ text: phase, brush: paint.red }]),
    { text: `elapsed ${duration(elapsed)}` },
    ...(left !== undefined && phase === 'running'
      ? [{ text: left.atLeast ? `more than ${duration(left.seconds)} left` : `left ${duration(left.seconds)}` }]
      : []),
  ];
}

/**
 * `best 0.1131 RMSE (trial-0003)  raw ridge 0.1781 (−36.5 %)  untrained network 0.1262 (−10.4 %)`; short, for 80 columns:
 * `best 0.1131 RMSE (trial-0003)  raw 0.1781 −36.5 %  untrained 0.1262 −10.4 %`. No parts before there is a score.
 */
function bestParts({ best, raw, untrained, metric }: FrameView, paint: Paint, form: 'long' | 'short'): readonly Part[] {
  const baseline = (name: string, against: Comparison | undefined): readonly Part[] => {
    if (against === undefined) return [];
    const { score, change } = against;
    const text = `${name} ${significant(score)}`;
    if (change === undefined) return [{ text, brush: paint.dim }];
    const gain = percent(change, 'signed');
    return [{ text: `${text} ${form === 'long' ? `(${gain})` : gain}`, brush: isBetter(metric, change) ? paint.dim : paint.red }];
  };
  return [
    ...(best ? [{ text: `best ${significant(best.score)} ${metricNames[metric]} (${best.trial})`, brush: paint.green }] : []),
    ...baseline(form === 'long' ? 'raw ridge' : 'raw', raw),
    ...baseline(form === 'long' ? 'untrained network' : 'untrained', untrained),
  ];
}

/** `rung 2/3 (3 epochs): 1/4 trials scored` */
export const rungText = ({ number, of, epochs, trials, scored }: NonNullable<FrameView['rung']>): string =>
  `rung ${number}/${of} (${epochsText(epochs)}): ${scored}/${trials} trials scored`;

const gap = '  ';

const sizeOf = (parts: readonly Part[]): number => parts.reduce((sum, { text }) => sum + gap.length + text.length, -gap.length);

/** The parts with gaps between them, cut with an ellipsis at the width. */
function fit(parts: readonly Part[], width: number): string {
  let used = 0;
  let line = '';
  for (const { text, brush } of parts) {
    const before = used === 0 ? '' : gap;
    const room = width - used - before.length;
    if (room < 1) break;
    const shown = text.length <= room ? text : `${text.slice(0, room - 1)}…`;
    line += before + (brush === undefined ? shown : brush(shown));
    used += before.length + shown.length;
  }
  return line;
}

/** A worker's line from left to right, and what is left out first where the terminal is narrow. */
const fields = ['name', 'trial', 'bar', 'phase', 'loss', 'rate', 'left'] as const;
type Field = (typeof fields)[number];
const dropped: readonly Field[] = ['loss', 'rate', 'phase', 'bar', 'left'];
const [shortBar, longBar] = [8, 24];

/** `local-1  trial-0004  ████████░░░░  epoch 6/10  loss 0.412  48k rows/s  0:21`, in columns. */
function workerLines(workers: readonly WorkerRow[], width: number, paint: Paint): readonly string[] {
  const cells = workers.map(cellsOf);
  const sizes = Object.fromEntries(fields.map((f) => [f, Math.max(0, ...cells.map((cell) => cell[f].length))])) as Record<
    Field,
    number
  >;
  // The running epoch gains digits and the time loses some: their columns are wide enough from the start.
  sizes.phase = Math.max(
    sizes.phase,
    ...workers.map(({ epochs }) => (epochs === undefined ? 0 : `epoch ${epochs}/${epochs}`.length)),
  );
  sizes.bar = shortBar;

  let shown = fields.filter((field) => sizes[field] > 0);
  const total = (): number => shown.reduce((sum, field) => sum + sizes[field] + gap.length, -gap.length);
  for (const field of dropped) if (total() > width) shown = shown.filter((other) => other !== field);
  sizes.bar = Math.min(longBar, shortBar + Math.max(0, width - total()));

  return workers.map((worker, i) => {
    const cell = cells[i];
    const parts = shown.map((field): Part => {
      const text = cell?.[field] ?? '';
      if (field === 'bar')
        return worker.trial === undefined ? { text: ' '.repeat(sizes.bar) } : barOf(worker.share, sizes.bar, paint);
      const padded = field === 'rate' || field === 'left' ? text.padStart(sizes[field]) : text.padEnd(sizes[field]);
      return { text: padded, brush: worker.trial === undefined && field === 'trial' ? paint.dim : undefined };
    });
    while (parts.at(-1)?.text.trim() === '') parts.pop();
    return fit(
      parts.map((part, k) => (k === parts.length - 1 ? { ...part, text: part.text.trimEnd() } : part)),
      width,
    );
  });
}

function cellsOf(worker: WorkerRow): Record<Field, string> {
  const { name, trial, phase, epoch, epochs, loss, rowsPerSecond, secondsLeft } = worker;
  return {
    name,
    trial: trial ?? phase,
    bar: '',
    phase: trial === undefined ? '' : epoch === undefined || epochs === undefined ? phase : `epoch ${epoch}/${epochs}`,
    loss: loss === undefined ? '' : `loss ${significant(loss, 3)}`,
    rate: rowsPerSecond === undefined ? '' : `${count(rowsPerSecond)} rows/s`,
    left: secondsLeft === undefined ? '' : duration(secondsLeft),
  };
}

function barOf(share: number, size: number, paint: Paint): Part {
  const full = Math.floor(share * size);
  return {
    text: '█'.repeat(full) + '░'.repeat(size - full),
    brush: (bar) => paint.cyan(bar.slice(0, full)) + paint.dim(bar.slice(full)),
  };
}
