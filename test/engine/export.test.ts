/** The exported model, run by ONNX Runtime, against the preprocessor and the cpu engine. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import * as ort from 'onnxruntime-node';
import { sequence, stream } from '../../src/base/rng.ts';
import { layoutOf, type Preprocessor, transform } from '../../src/dataset/encode.ts';
import type { Table } from '../../src/dataset/types.ts';
import { cpuEngine } from '../../src/engine/eager/engine.ts';
import { onnx } from '../../src/engine/onnx/generated/onnx.js';
import { levelMaps, numberColumns } from '../../src/engine/onnx/encoding.ts';
import { type ExportedMember, type ExportedModel, exportModel } from '../../src/engine/onnx/export.ts';
import type { ModelConfig } from '../../src/config/types.ts';
import { initialState } from '../../src/model/parameters.ts';
import { predict } from '../../src/ridge/solve.ts';
import { featuresOf, widthOf } from '../../src/train/ensemble.ts';
import { networkOf } from '../../src/train/network.ts';

const preprocessor: Preprocessor = {
  version: 1,
  columns: [
    {
      kind: 'categorical',
      name: 'cut',
      levels: ['Fair', 'Good', 'Ideal'],
      rare: ['Odd', 'Rough'],
      missing: true,
      numbers: false,
    },
    { kind: 'numerical', name: 'time', median: 1.7e9, mean: 1.7e9 + 0.3, deviation: 2.5, missing: true },
    { kind: 'categorical', name: 'doors', levels: ['3', '5'], rare: [], missing: false, numbers: true },
    { kind: 'numerical', name: 'carat', median: 0.7, mean: 0.8, deviation: 1 / 3, missing: false },
  ],
  ignored: ['price'],
};
const transformer: ModelConfig = { kind: 'transformer', tokens: 4, tokenSize: 8, heads: 2, feedForward: 16, layers: 3 };
const mlp: ModelConfig = { kind: 'mlp', units: 12, layers: 2 };
const loss = { emphasis: 0.75, maskWeight: 2 };

type Options = Partial<Omit<ExportedModel, 'members'>>;

function modelOf(
  config: ModelConfig,
  layers: readonly number[],
  { withInputs = false, combine = 'concatenate', ...options }: Options = {},
  encoders: readonly Preprocessor[] = [preprocessor],
): ExportedModel {
  const members = encoders.map((encoder, i): ExportedMember => {
    const network = networkOf(layoutOf(encoder), {
      model: config,
      training: { epochs: 1, batchSize: 1, learningRate: 1, learningRateDecay: 1, loss, checkpointEveryEpochs: 1 },
    });
    return { preprocessor: encoder, network, weights: initialState(network, i + 1).weights };
  });
  const width = widthOf({ features: { layers, inputs: withInputs }, combine, members });
  const ridgeWeights = Float64Array.from({ length: width + 1 }, (_, i) => Math.sin(i) / 10);
  return { members, combine, layers, ridgeWeights, transform: 'none', ...options, withInputs };
}

/** Rows with every level, rare, unseen and missing ones, and numbers with holes. */
function tableOf(rows: number): Table {
  const draw = sequence(stream(1, 'export', rows));
  const pick = <T>(...values: T[]): T => values[Math.floor(draw() * values.length)] as T;
  const column = <T>(value: () => T): T[] => Array.from({ length: rows }, value);
  return {
    source: 'rows.csv',
    rows,
    columns: [
      { name: 'cut', type: 'text', values: column(() => pick('Fair', 'Good', 'Ideal', 'Odd', 'Rough', 'Unseen', null)) },
      { name: 'time', type: 'number', values: Float64Array.from(column(() => pick(NaN, 1.7e9 + 10 * draw()))) },
      { name: 'doors', type: 'number', values: Float64Array.from(column(() => pick(3, 5, 4, NaN))) },
      { name: 'carat', type: 'number', values: Float64Array.from(column(() => pick(NaN, draw(), draw()))) },
    ],
  };
}

/** What a user of the model does with a table: texts to indices by the level maps, numbers as they are. */
function feedsOf(encoders: readonly Preprocessor[], table: Table): Record<string, ort.Tensor> {
  const valuesOf = (name: string): ArrayLike<string | number | null> => {
    const column = table.columns.find((candidate) => candidate.name === name);
    assert.ok(column, name);
    return column.values;
  };
  const maps = levelMaps(encoders);
  const numbers = numberColumns(encoders);
  const byRow = <T>(columns: readonly T[], cell: (column: T, row: number) => number): number[] =>
    Array.from({ length: table.rows }, (_, row) => columns.map((column) => cell(column, row))).flat();
  const indices = byRow(maps, ({ column, levels, missing }, row) => {
    const value = valuesOf(column)[row] ?? null;
    return value === null || Number.isNaN(value) ? missing : (levels[String(value)] ?? -1);
  });
  const cells = byRow(numbers, (name, row) => valuesOf(name)[row] as number);
  return {
    ...(maps.length > 0 ? { levels: new ort.Tensor('int32', Int32Array.from(indices), [table.rows, maps.length]) } : {}),
    ...(numbers.length > 0 ? { numbers: new ort.Tensor('float64', Float64Array.from(cells), [table.rows, numbers.length]) } : {}),
  };
}

async function check(model: ExportedModel, rowCounts: readonly number[]): Promise<void> {
  const session = await ort.InferenceSession.create(exportModel(model, { about: 'a test' }), {
    logSeverityLevel: 3,
    intraOpNumThreads: 1,
  });
  for (const rows of rowCounts) {
    const table = tableOf(rows);
    const encoders = model.members.map((member) => member.preprocessor);
    const results = await session.run(feedsOf(encoders, table));
    const { layers, withInputs, combine, members } = model;
    const source = { engine: cpuEngine(), features: { layers, inputs: withInputs }, combine, members };
    const width = widthOf(source);
    const expected = new Float32Array(rows * width);
    const inputs = encoders.map((encoder) => transform(encoder, table).inputs);
    for await (const block of featuresOf(source, inputs))
      expected.set(block.features.subarray(0, block.rows * width), block.start * width);
    const found = results['features'] as ort.TypedTensor<'float32'>;
    assert.deepEqual(found.dims, [rows, width]);
    found.data.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) <= 1e-5, `${i}: ${value}, not ${expected[i]}`));
    const scores = predict(model.ridgeWeights, expected, rows);
    const prediction = results['prediction'] as ort.TypedTensor<'float64'>;
    assert.deepEqual(prediction.dims, [rows]);
    prediction.data.forEach((value, i) => {
      const wanted = model.transform === 'log' ? Math.exp(scores[i]!) : scores[i]!;
      assert.ok(Math.abs(value - wanted) <= 1e-4 * Math.max(1, Math.abs(wanted)), `${value}, not ${wanted}`);
    });
  }
  await session.release();
}

describe('an exported model', () => {
  it('gives the features and predictions of the cpu engine, whatever the batch', async () => {
    await check(modelOf(transformer, [0, 1, 2]), [1, 2, 8, 37]);
    await check(modelOf(mlp, [0, 1]), [1, 2, 8, 37]);
  });

  it('has the layers that were asked for, the inputs beside them, and the target in its own unit', async () => {
    await check(modelOf(transformer, [2], { withInputs: true, transform: 'log' }), [3]);
    await check(modelOf(mlp, [0], { withInputs: true, transform: 'log' }), [3]);
  });

  it('has no input for a kind of column that there is none of', async () => {
    const only = (kind: string): Preprocessor => ({
      ...preprocessor,
      columns: preprocessor.columns.filter((column) => column.kind === kind),
    });
    await check(modelOf(mlp, [0, 1], {}, [only('categorical')]), [5]);
    await check(modelOf(mlp, [0, 1], {}, [only('numerical')]), [5]);
  });

  it('puts the networks of several folds together, each with its own encoding, as noisefold features does', async () => {
    // What the others know: fewer levels, or another that is rare; columns that are no inputs, so that those of the model are in no fold's order.
    const second: Preprocessor = {
      version: 1,
      columns: [
        { kind: 'numerical', name: 'carat', median: 0.6, mean: 0.5, deviation: 0.25, missing: true },
        { kind: 'categorical', name: 'cut', levels: ['Good', 'Odd'], rare: ['Ideal'], missing: false, numbers: false },
      ],
      ignored: ['price', 'time', 'doors'],
    };
    const third: Preprocessor = {
      version: 1,
      columns: [
        { kind: 'categorical', name: 'doors', levels: ['3', '4'], rare: ['5'], missing: true, numbers: true },
        { kind: 'numerical', name: 'time', median: 1.7e9, mean: 1.7e9 + 1, deviation: 3, missing: false },
      ],
      ignored: ['price', 'cut', 'carat'],
    };
    const folds = [second, preprocessor, third];
    await check(modelOf(transformer, [0, 1, 2], { transform: 'log' }, folds), [1, 2, 37]);
    await check(modelOf(mlp, [1], { withInputs: true }, folds), [37]);
    await check(modelOf(mlp, [0, 1], { combine: 'average' }, folds), [37]);
    await check(modelOf(mlp, [0, 1], {}, [preprocessor, preprocessor]), [37]);
  });

  it('gives levels that no fold tells apart one index, and others their own', () => {
    const fold = (levels: readonly string[], rare: readonly string[], missing: boolean): Preprocessor => ({
      version: 1,
      columns: [{ kind: 'categorical', name: 'cut', levels, rare, missing, numbers: false }],
      ignored: [],
    });
    const one = fold(['Fair', 'Good'], ['Odd', 'Rough'], true);
    const [own] = levelMaps([one]);
    assert.deepEqual(own, { column: 'cut', levels: { Fair: 0, Good: 1, Odd: 3, Rough: 3 }, missing: 2, numbers: false });
    const [both] = levelMaps([one, fold(['Fair', 'Rough'], ['Good', 'Odd'], false)]);
    const { levels, missing } = both ?? assert.fail('no column');
    assert.equal(new Set([...Object.values(levels), missing]).size, 5);
    const [rare] = levelMaps([one, fold(['Fair', 'Good'], ['Odd', 'Rough'], false)]);
    assert.equal(rare?.levels['Odd'], rare?.levels['Rough']);
  });

  it('is right for any sizes of the network', async () => {
    const sizes = fc.record({
      tokens: fc.integer({ min: 1, max: 4 }),
      heads: fc.integer({ min: 1, max: 3 }),
      headSize: fc.integer({ min: 1, max: 3 }),
      feedForward: fc.integer({ min: 1, max: 5 }),
      layers: fc.integer({ min: 1, max: 9 }),
    });
    await fc.assert(
      fc.asyncProperty(sizes, async ({ headSize, ...rest }) => {
        const config: ModelConfig = { kind: 'transformer', ...rest, tokenSize: rest.heads * headSize };
        await check(
          modelOf(
            config,
            Array.from({ length: rest.layers }, (_, i) => i),
          ),
          [1, 4],
        );
      }),
      { numRuns: 12, seed: 1 },
    );
  });

  it("uses ONNX's own operators only, carries its metadata, and leaves out the heads", () => {
    const bytes = exportModel(modelOf(transformer, [0, 1, 2]), { noisefold: '{}' });
    const { graph, opsetImport, metadataProps } = onnx.ModelProto.decode(bytes);
    assert.deepEqual(
      opsetImport.map(({ domain, version }) => [domain, Number(version)]),
      [['', 18]],
    );
    assert.ok(graph?.node.every(({ domain }) => domain === ''));
    assert.deepEqual(
      metadataProps.map(({ key, value }) => [key, value]),
      [['noisefold', '{}']],
    );
    const names = graph?.initializer.map(({ name }) => name) ?? [];
    assert.ok(names.includes('encoder_3.layernorm_2.bias'));
    assert.ok(!names.some((name) => /mask_predictor|reconstructor/.test(name ?? '')));
  });
});
