/** The initial weights follow the laws of docs/model.md, and PyTorch's own draws, at the reference's size. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { initialState, offsets, parameterSpecs } from '../../src/model/parameters.ts';
import type { NetworkSpec } from '../../src/model/types.ts';

const columns = {
  binary: 56,
  numerical: 14,
  categoricalSources: 10,
  numericalSources: 14,
  loss: { emphasis: 0.75, maskWeight: 2 },
};
const networks: Readonly<Record<'transformer' | 'mlp', NetworkSpec>> = {
  transformer: { ...columns, model: { kind: 'transformer', tokens: 8, tokenSize: 128, heads: 8, feedForward: 512, layers: 3 } },
  mlp: { ...columns, model: { kind: 'mlp', units: 1536, layers: 3 } },
};

/** It must have the row of each law below. */
const page = readFileSync(new URL('../../docs/model.md', import.meta.url), 'utf8');

/** The documented bound of a tensor, or the constant that fills it. */
const laws: readonly (readonly [
  kind: 'transformer' | 'mlp' | 'both',
  name: RegExp,
  row: string,
  law: { bound: number } | { constant: number },
])[] = [
  ['transformer', /^excite\./, '`excite.weight`, `excite.bias` | [H, D], [H] | U(1 / sqrt(D))', { bound: 1 / Math.sqrt(70) }],
  [
    'transformer',
    /in_proj_weight$/,
    '`encoder_l.attn.in_proj_weight` | [3 E, E] | U(sqrt(6 / (4 E)))',
    { bound: Math.sqrt(6 / 512) },
  ],
  ['transformer', /in_proj_bias$/, '`encoder_l.attn.in_proj_bias` | [3 E] | 0', { constant: 0 }],
  [
    'transformer',
    /out_proj\.weight$/,
    '`encoder_l.attn.out_proj.weight` | [E, E] | U(1 / sqrt(E))',
    { bound: 1 / Math.sqrt(128) },
  ],
  ['transformer', /out_proj\.bias$/, '`encoder_l.attn.out_proj.bias` | [E] | 0', { constant: 0 }],
  [
    'transformer',
    /linear_1\./,
    '`encoder_l.linear_1.weight`, `.bias` | [F, E], [F] | U(1 / sqrt(E))',
    { bound: 1 / Math.sqrt(128) },
  ],
  [
    'transformer',
    /linear_2\./,
    '`encoder_l.linear_2.weight`, `.bias` | [E, F], [E] | U(1 / sqrt(F))',
    { bound: 1 / Math.sqrt(512) },
  ],
  ['transformer', /layernorm_[12]\.weight$/, '`encoder_l.layernorm_1.weight`, `layernorm_2.weight` | [E] | 1', { constant: 1 }],
  ['transformer', /layernorm_[12]\.bias$/, '`encoder_l.layernorm_1.bias`, `layernorm_2.bias` | [E] | 0', { constant: 0 }],
  ['mlp', /^linear_1\./, '`linear_1.weight`, `.bias` (mlp) | [U, D], [U] | U(1 / sqrt(D))', { bound: 1 / Math.sqrt(70) }],
  [
    'mlp',
    /^linear_[23]\./,
    '`linear_l.weight`, `.bias` (mlp, l > 1) | [U, U], [U] | U(1 / sqrt(U))',
    { bound: 1 / Math.sqrt(1536) },
  ],
  [
    'transformer',
    /^mask_predictor\./,
    '`mask_predictor.weight`, `.bias` | [D, H], [D] | U(1 / sqrt(H))',
    { bound: 1 / Math.sqrt(1024) },
  ],
  [
    'transformer',
    /^reconstructor\./,
    '`reconstructor.weight`, `.bias` | [D, H + D], [D] | U(1 / sqrt(H + D))',
    { bound: 1 / Math.sqrt(1094) },
  ],
  ['mlp', /^mask_predictor\./, '`mask_predictor.weight`, `.bias` | [D, H], [D] | U(1 / sqrt(H))', { bound: 1 / Math.sqrt(1536) }],
  [
    'mlp',
    /^reconstructor\./,
    '`reconstructor.weight`, `.bias` | [D, H + D], [D] | U(1 / sqrt(H + D))',
    { bound: 1 / Math.sqrt(1606) },
  ],
];

interface Drawn {
  readonly elements: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly variance: number;
}

const pytorch = JSON.parse(readFileSync(new URL('../golden/initialisation.json', import.meta.url), 'utf8')) as Readonly<
  Record<'transformer' | 'mlp', Readonly<Record<string, Drawn>>>
>;

function summary(values: Float32Array): Drawn {
  const elements = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / elements;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / elements;
  const sorted = values.toSorted();
  return { elements, min: sorted[0]!, max: sorted.at(-1)!, mean, variance };
}

/** The largest distance between the distribution of the values and the uniform one on [-bound, bound], times the root of their number. */
function kolmogorov(values: Float32Array, bound: number): number {
  const sorted = values.toSorted();
  let largest = 0;
  sorted.forEach((value, i) => {
    const wanted = (value + bound) / (2 * bound);
    largest = Math.max(largest, Math.abs(wanted - i / sorted.length), Math.abs(wanted - (i + 1) / sorted.length));
  });
  return largest * Math.sqrt(sorted.length);
}

for (const kind of ['transformer', 'mlp'] as const)
  describe(`the initial weights of the ${kind}`, () => {
    const network = networks[kind];
    const { weights } = initialState(network, 1);
    const tensors = offsets(parameterSpecs(network)).map(({ name, offset, size }) => ({
      name,
      values: weights.subarray(offset, offset + size),
    }));

    it('are those of PyTorch, tensor by tensor', () => {
      assert.deepEqual(
        tensors.map(({ name, values }) => [name, values.length]).sort(),
        Object.entries(pytorch[kind])
          .map(([name, { elements }]) => [name, elements])
          .sort(),
      );
    });

    for (const { name, values } of tensors) {
      const found = laws.filter(([of, pattern]) => of === kind && pattern.test(name));
      it(`${name} follows its documented law, and what PyTorch drew`, () => {
        assert.equal(found.length, 1, 'one law a tensor');
        const [, , row, law] = found[0]!;
        assert.ok(page.includes(`| ${row}`), `docs/model.md has the row ${row}`);
        const theirs = pytorch[kind][name]!;
        if ('constant' in law) {
          assert.ok(values.every((value) => value === law.constant));
          assert.deepEqual([theirs.min, theirs.max], [law.constant, law.constant]);
          return;
        }
        const { bound } = law;
        const ours = summary(values);
        // The seed is fixed, so the limits can be wide: five standard errors, and for the largest of n draws, 14 / n of the range (e^-14 = 1e-6).
        for (const { elements, min, max, mean, variance } of [ours, theirs]) {
          assert.ok(min >= -bound * (1 + 1e-6) && max <= bound * (1 + 1e-6), `${min} .. ${max} within ${bound}`);
          assert.ok(
            min < -bound * (1 - 28 / elements) && max > bound * (1 - 28 / elements),
            `${min} .. ${max} reach to ${bound}`,
          );
          assert.ok(Math.abs(mean) < (5 * bound) / Math.sqrt(3 * elements), `mean ${mean}`);
          assert.ok(Math.abs(variance - bound ** 2 / 3) < 5 * bound ** 2 * Math.sqrt(4 / 45 / elements), `variance ${variance}`);
        }
        // Exceeded by chance once in 3,000 tensors.
        const distance = kolmogorov(values, bound);
        assert.ok(distance < 2.1, `Kolmogorov-Smirnov ${distance}`);
      });
    }
  });
