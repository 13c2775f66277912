/**
 * Prints a hash of the state after four steps. A process of its own, since some engines take their number of threads once a process.
 * Arguments as in engine-elsewhere.ts.
 */
import { bytesOf } from '../../src/base/matrix.ts';
import { sha256 } from '../../src/base/hash.ts';
import { initialState } from '../../src/model/parameters.ts';
import type { NetworkSpec } from '../../src/model/types.ts';
import { batchOf } from '../model/batch.ts';
import { engineOfArguments } from './engine-elsewhere.ts';

const network: NetworkSpec = {
  binary: 5,
  numerical: 3,
  categoricalSources: 2,
  numericalSources: 3,
  loss: { emphasis: 0.75, maskWeight: 2 },
  model: { kind: 'transformer', tokens: 4, tokenSize: 32, heads: 2, feedForward: 64, layers: 2 },
};
const engine = await engineOfArguments();
const session = await engine.training(network, 64, initialState(network, 7));
for (let step = 0; step < 4; step++) await session.step(batchOf(network, 64, step), 1e-3);
const { weights, firstMoment, secondMoment } = await session.state();
console.log([weights, firstMoment, secondMoment].map((vector) => sha256(bytesOf(vector))).join('\n'));
process.exit(0);
