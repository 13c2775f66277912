/**
 * A table of the shape of Kaggle's Tabular Playground Series, February 2021 (which may not be passed on), with a known signal:
 * id, cat0 .. cat9 (2, 2, 2, 4, 4, 4, 8, 8, 7, 15 letters), cont0 .. cont13, target.
 *
 * Each row belongs to one of six hidden clusters. A categorical column draws its letter from a geometric distribution that half of the
 * clusters rotate, so that some letters are rare. A numerical column lies around one of five centres, chosen by the cluster and by a partner
 * categorical column, with a deviation that all fourteen partly share. So columns are multimodal and predict each other: what a denoising
 * autoencoder can learn.
 *
 * target = 7.5 + signal + noise. The signal is a function of observed columns (waves and products of numbers, numbers that a letter flips)
 * with a standard deviation of 0.5 (measured to 0.1 %); the noise is normal with a standard deviation of 0.5. So no model
 * has an RMSE below 0.5 or an R2 above 0.5, but for chance.
 */
import { philox, stream, unit, type StreamKey } from '../base/rng.ts';

export const tpsLevels = [2, 2, 2, 4, 4, 4, 8, 8, 7, 15] as const;
export const tpsSignalDeviation = 0.5;
export const tpsNoiseDeviation = 0.5;
const numberCount = 14;
const clusters = 6;
const centres = 5;
const targetMean = 7.5;

/** Mean and standard deviation of the unscaled signal, over a million rows. */
const rawMean = 0.3394;
const rawDeviation = 0.4966;

/** One row's inputs: indices of letters for cat0 .. cat9, and cont0 .. cont13. */
export interface TpsRow {
  readonly letters: readonly number[];
  readonly numbers: readonly number[];
}

/** The part of the target that the inputs decide, without the mean of 7.5. */
export function tpsSignal({ letters, numbers }: TpsRow): number {
  const c = (i: number): number => letters[i] ?? 0;
  const x = (i: number): number => numbers[i] ?? 0;
  const raw =
    0.35 * Math.sin(6 * x(0)) +
    0.9 * (c(1) === 0 ? 1 : -1) * (x(1) - 0.5) +
    2.2 * (x(2) - 0.5) * (x(3) - 0.5) +
    0.5 * (c(3) % 2) * Math.cos(9 * x(4)) +
    0.4 * (c(6) % 3 === 0 ? x(5) : 1 - x(5)) +
    0.1 * Math.abs(c(9) - 4) * (x(7) > 0.5 ? 1 : -0.5);
  return (tpsSignalDeviation * (raw - rawMean)) / rawDeviation;
}

/** Row `row` of the table that `key` names: a pure function of both. Numbers have six decimals, as in the file. */
export function tpsRow(key: StreamKey, row: number): TpsRow & { readonly target: number } {
  const draw = uniforms(key, row);
  const cluster = Math.floor(draw() * clusters);
  const letters = tpsLevels.map((levels, i) => {
    const skewed = Math.floor(Math.log(1 - draw()) / Math.log(0.45 + 0.02 * i));
    const rotation = cluster < clusters / 2 ? 0 : cluster * (1 + (i % 3));
    return (Math.min(skewed, levels - 1) + rotation) % levels;
  });
  const shared = normal(draw);
  const numbers = Array.from({ length: numberCount }, (_, j) => {
    const own = normal(draw);
    const stray = draw();
    const chosen = cluster * (1 + (j % 2)) + (letters[j % letters.length] ?? 0);
    const centre = stray < 0.15 ? Math.floor((stray / 0.15) * centres) : chosen % centres;
    return Number((0.12 + 0.19 * centre + 0.03 * shared + 0.045 * own).toFixed(6));
  });
  const target = targetMean + tpsSignal({ letters, numbers }) + tpsNoiseDeviation * normal(draw);
  return { letters, numbers, target };
}

/** Uniform draws of one row, in (0, 1). */
function uniforms(key: StreamKey, row: number): () => number {
  const out = new Uint32Array(4);
  let used = 4;
  let block = 0;
  return () => {
    if (used === 4) {
      philox(key, row, block++, 0, 0, out);
      used = 0;
    }
    return unit(((out[used++] ?? 0) | 1) >>> 0);
  };
}

/** A standard normal draw (Box, Muller 1958), from two uniform ones. */
function normal(draw: () => number): number {
  const radius = Math.sqrt(-2 * Math.log(draw()));
  return radius * Math.cos(2 * Math.PI * draw());
}

const rowsPerChunk = 2000;

export interface TpsFiles {
  /** CSV text in chunks of whole lines, the header first. */
  readonly train: AsyncIterable<string>;
  /** The same columns without the target; ids go on from those of the train file. */
  readonly test: AsyncIterable<string>;
}

/** The two files of a table with `rows` and `testRows` rows, made as they are read. The same seed gives the same text. */
export function generateTps(rows: number, testRows: number, seed: number): TpsFiles {
  const key = stream(seed, 'tps-feb-2021');
  return { train: csvChunks(key, 0, rows, true), test: csvChunks(key, rows, rows + testRows, false) };
}

// An async generator lets the writer's back-pressure and other work in between chunks.
// eslint-disable-next-line @typescript-eslint/require-await
async function* csvChunks(key: StreamKey, from: number, to: number, withTarget: boolean): AsyncGenerator<string> {
  const names = ['id', ...tpsLevels.map((_, i) => `cat${i}`), ...Array.from({ length: numberCount }, (_, j) => `cont${j}`)];
  yield `${[...names, ...(withTarget ? ['target'] : [])].join(',')}\n`;
  for (let first = from; first < to; first += rowsPerChunk) {
    let text = '';
    for (let row = first; row < Math.min(first + rowsPerChunk, to); row++) {
      const { letters, numbers, target } = tpsRow(key, row);
      text += String(row);
      for (const letter of letters) text += `,${String.fromCharCode(65 + letter)}`;
      for (const number of numbers) text += `,${number.toFixed(6)}`;
      text += withTarget ? `,${target.toFixed(6)}\n` : '\n';
    }
    yield text;
  }
}
