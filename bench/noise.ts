/**
 * Rows per second of swap noise, made apart from the compiled step, and what that adds to a step of the same rows.
 *
 * npm run bench -- noise [--rounds 9]
 */
import { zeros32 } from '../src/base/matrix.ts';
import type { EncodedLayout } from '../src/dataset/types.ts';
import { onnxEngine } from '../src/engine/onnx/engine.ts';
import { initialState, inputWidth } from '../src/model/parameters.ts';
import type { NetworkSpec } from '../src/model/types.ts';
import { createNoise } from '../src/noise/noise.ts';
import { createBatches } from '../src/train/batches.ts';
import { type BenchOptions, figure, printHeading, printTable, takeTurns } from './measure.ts';
import { batchSize, learningRate, networks, randomBatch } from './networks.ts';

const tableRows = 50_000;
const flavours = ['group', 'reference'] as const;

/** The binary columns dealt out to the categorical sources as evenly as they go; every other column a source of its own. */
function layoutOf({ binary, numerical, categoricalSources }: NetworkSpec): EncodedLayout {
  const edge = (source: number): number => Math.round((source * binary) / categoricalSources);
  const categorical = Array.from({ length: categoricalSources }, (_, i) => {
    const encoded = Array.from({ length: edge(i + 1) - edge(i) }, (_, j) => edge(i) + j);
    return { name: `cat${i}`, kind: 'categorical', levels: encoded.length, encoded } as const;
  });
  const numbers = Array.from(
    { length: numerical },
    (_, i) => ({ name: `cont${i}`, kind: 'numerical', levels: 0, encoded: [binary + i] }) as const,
  );
  const names = Array.from({ length: binary + numerical }, (_, i) => `column${i}`);
  return { binary, numerical, names, sources: [...categorical, ...numbers] };
}

export async function main({ rounds = 9 }: BenchOptions = {}): Promise<void> {
  printHeading(
    `Swap noise of batches of ${batchSize} rows, every column with probability 0.3, from a table of ${tableRows} rows.`,
    ['onnxruntime-node'],
  );
  const rows: string[][] = [];
  for (const [name, network] of networks) {
    if (name.startsWith('small')) continue;
    const layout = layoutOf(network);
    const width = inputWidth(network);
    const inputs = { ...zeros32(tableRows, width), data: randomBatch(network, tableRows).clean };
    const swapProbability = Object.fromEntries(layout.sources.map((source) => [source.name, 0.3]));
    const batches = createBatches(1, tableRows, batchSize);
    const [noisy, clean, mask] = [0, 1, 2].map(() => new Float32Array(batchSize * width)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const session = await onnxEngine({ threads: 2 }).training(network, batchSize, initialState(network, 1));
    const makers = flavours.map((flavour) => {
      const noise = createNoise({ flavour, layout, swapProbability, seed: 1 });
      let next = 0;
      return {
        name: flavour,
        run: () => {
          const { epoch, batch } = batches.locate(next++);
          noise.corrupt({ epoch, batch, rows: batches.at({ epoch, batch }), inputs, noisy, clean, mask });
          return Promise.resolve();
        },
      };
    });
    const step = { name: 'step', run: () => session.step({ noisy, clean, mask }, learningRate) };
    const times = await takeTurns([...makers, step], rounds);
    await session.release();
    const stepMs = times.at(-1) ?? NaN;
    for (const [i, { name: flavour }] of makers.entries()) {
      const ms = times[i] ?? NaN;
      rows.push([
        name,
        flavour,
        figure(ms),
        figure((batchSize / ms) * 1e3),
        figure(stepMs),
        `${((100 * ms) / stepMs).toFixed(1)} %`,
      ]);
    }
  }
  printTable(['inputs of', 'flavour', 'ms a batch', 'rows/s', 'ms a step, 2 threads', 'noise / step'], rows);
}
