/**
 * Rows per second of feature extraction, all hidden layers: the compiled engine with one and two threads through the stream that ridge
 * reads, beside the same network in tfjs wasm.
 *
 * npm run bench -- features [--rounds 7]
 */
import { onnxEngine } from '../src/engine/onnx/engine.ts';
import { featureWidth, initialState, inputWidth } from '../src/model/parameters.ts';
import type { NetworkSpec } from '../src/model/types.ts';
import { featureBatchSize, streamFeatures } from '../src/train/features.ts';
import { type BenchOptions, type Contender, figure, printHeading, printTable, ratio, takeTurns } from './measure.ts';
import { allLayers, eagerFeatures, networks, prepareEager, randomBatch } from './networks.ts';

interface Extractor extends Contender {
  /** Rows of one run. */
  readonly rows: number;
}

/** The session is opened within the measured time, as it is for every trial; `blocks` blocks make that a small part. */
function compiled(threads: number, network: NetworkSpec, clean: Float32Array, blocks: number): Extractor {
  const rows = blocks * featureBatchSize;
  const weights = initialState(network, 1).weights;
  const inputs = { rows, cols: inputWidth(network), data: clean.subarray(0, rows * inputWidth(network)) };
  return {
    name: `onnx, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    rows,
    async run() {
      const engine = onnxEngine({ threads });
      const stream = streamFeatures({ engine, network, weights, layers: allLayers(network), inputs, withInputs: false });
      let seen = 0;
      for await (const block of stream) seen += block.rows;
      if (seen !== rows) throw new Error(`${seen} rows of ${rows}`);
    },
  };
}

function eager(network: NetworkSpec, clean: Float32Array, blockRows: number): Extractor {
  const inputs = clean.slice(0, blockRows * inputWidth(network));
  return { name: `tfjs wasm, blocks of ${blockRows}`, rows: blockRows, run: eagerFeatures('wasm', network, inputs, blockRows) };
}

export async function main({ rounds = 7 }: BenchOptions = {}): Promise<void> {
  prepareEager();
  printHeading(`Features of all hidden layers, in blocks of ${featureBatchSize} rows.`, [
    'onnxruntime-node',
    '@tensorflow/tfjs',
    '@tensorflow/tfjs-backend-wasm',
  ]);
  const rows: string[][] = [];
  for (const [name, network] of networks) {
    const blocks = network.model.kind === 'mlp' ? 400 : 100;
    const { clean } = randomBatch(network, blocks * featureBatchSize);
    const contenders = [
      compiled(1, network, clean, blocks),
      compiled(2, network, clean, blocks),
      eager(network, clean, featureBatchSize),
      eager(network, clean, 1024),
    ];
    const times = await takeTurns(contenders, rounds, 15_000);
    const rates = contenders.map((contender, i) => (contender.rows / (times[i] ?? NaN)) * 1e3);
    const wasm = Math.max(...rates.slice(2));
    for (const [i, contender] of contenders.entries()) {
      const shown = i === 0 ? [name, String(featureWidth(network, allLayers(network)))] : ['', ''];
      rows.push([...shown, contender.name, figure(rates[i] ?? NaN), ratio((rates[i] ?? NaN) / wasm)]);
    }
  }
  printTable(['network', 'features', 'engine', 'rows/s', 'speed of wasm'], rows);
}
