import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { memoryArtifacts } from '../../src/artifacts/memory.ts';
import { decodeCheckpoint } from '../../src/checkpoint/format.ts';
import { trainingHash } from '../../src/dataset/folds.ts';
import { prepareData, type Prepared } from '../../src/dataset/prepare.ts';
import { decodePrepared, encodePrepared } from '../../src/dataset/serialise.ts';
import { dataFor, dataHash, planData, requireAverageable } from '../../src/dataset/study-data.ts';
import { trainingRows } from '../../src/dataset/split.ts';
import { tasksOf } from '../../src/plan/plan.ts';
import { referenceLinearAlgebra } from '../../src/ridge/reference.ts';
import { runTask } from '../../src/train/task.ts';
import type { TaskResult } from '../../src/train/types.ts';
import { dataConfig, tableOf } from '../dataset/tables.ts';
import { fakeEngine, tickingClock, tinyConfig } from './fixtures.ts';

type Value = number | string | null;
interface Row {
  readonly cut: Value;
  readonly carat: Value;
  readonly depth: Value;
  readonly y: Value;
}

const rowCount = 40;
const foldCount = 4;

/** Every tenth row has no target. */
const rows: readonly Row[] = Array.from({ length: rowCount }, (_, i) => ({
  cut: ['a', 'b', 'c'][(i * 7) % 3] ?? null,
  carat: ((i * 37) % 41) / 9,
  depth: i % 13 === 5 ? null : ((i * 11) % 17) - 3,
  y: i % 10 === 9 ? null : ((i * 13) % 29) / 3,
}));

const prepare = (table: readonly Row[], test: readonly Omit<Row, 'y'>[] = [{ cut: 'a', carat: 1, depth: 2 }]): Prepared => {
  const column = (name: 'cut' | 'carat' | 'depth') => table.map((row) => row[name]);
  return prepareData(
    {
      train: tableOf({ cut: column('cut'), carat: column('carat'), depth: column('depth'), y: table.map(({ y }) => y) }),
      test: tableOf({
        cut: test.map(({ cut }) => cut),
        carat: test.map(({ carat }) => carat),
        depth: test.map(({ depth }) => depth),
      }),
    },
    {
      data: dataConfig({ kinds: { cut: 'categorical', carat: 'numerical', depth: 'numerical' } }),
      folds: { count: foldCount, kind: 'shuffled' },
      seed: 3,
      protocol: 'inductive',
    },
  );
};

async function runFold(
  prepared: Prepared,
  fold: number,
  artifacts = memoryArtifacts(),
  resumeFrom?: string,
): Promise<TaskResult> {
  const task = tasksOf({ id: 'trial-0001', config: tinyConfig }, planData(prepared))[fold] ?? assert.fail('no task');
  const data = dataFor(prepared, fold);
  const outcome = await runTask(
    {
      task,
      kind: 'trained',
      config: tinyConfig,
      seed: 5,
      ridge: { alphas: [0.1, 10], folds: { count: foldCount, kind: 'shuffled' }, learningCurve: { labels: [], draws: 1 } },
      data: data.hash,
      resumeFrom,
    },
    {
      data,
      engine: fakeEngine(),
      linearAlgebra: referenceLinearAlgebra,
      artifacts,
      clock: tickingClock(),
      signal: new AbortController().signal,
      onProgress: () => {},
      onCheckpoint: () => {},
    },
  );
  assert(!outcome.stopped);
  return outcome.result;
}

const plain = prepare(rows);
const inputs = fc.record({
  cut: fc.constantFrom<Value[]>('a', 'b', 'c', 'never seen', null),
  carat: fc.constantFrom<Value[]>(-1e6, 0.25, 3, 1e9, null),
  depth: fc.constantFrom<Value[]>(-7, 0, 5, null),
});
const fold = fc.nat(foldCount - 1);
/** New inputs for some of the rows. */
const changes = fc.dictionary(fc.nat(rowCount - 1).map(String), inputs, { minKeys: 1, maxKeys: 30 });

const isTraining = (row: number, held: number): boolean => {
  const own = plain.data.folds[row] ?? -1;
  return own >= 0 && own !== held;
};

describe('a fold of the inductive protocol', () => {
  it('learns nothing from held-out rows and rows without a target: neither encoding nor weights depend on them', async () => {
    await fc.assert(
      fc.asyncProperty(fold, changes, fc.array(inputs, { minLength: 1, maxLength: 3 }), async (held, changed, test) => {
        const other = prepare(
          rows.map((row, i) => (isTraining(i, held) ? row : { ...row, ...changed[String(i)] })),
          test,
        );
        assert.deepEqual(other.folds?.[held]?.preprocessor, plain.folds?.[held]?.preprocessor);
        const [before, after] = [await runFold(plain, held), await runFold(other, held)];
        assert.equal(after.checkpoint, before.checkpoint);
        assert.deepEqual([after.history, after.corruption], [before.history, before.corruption]);
      }),
      { numRuns: 25 },
    );
  });

  it('learns from every training row', async () => {
    await fc.assert(
      fc.asyncProperty(fold, fc.nat(rowCount - 1), async (held, row) => {
        fc.pre(isTraining(row, held));
        const other = prepare(rows.map((own, i) => (i === row ? { ...own, carat: 99 } : own)));
        assert.notDeepEqual(other.folds?.[held]?.preprocessor, plain.folds?.[held]?.preprocessor);
        assert.notEqual((await runFold(other, held)).checkpoint, (await runFold(plain, held)).checkpoint);
      }),
      { numRuns: 10 },
    );
  });

  it('is scored on its held-out rows, by their targets and by no others’', async () => {
    const { score } = await runFold(plain, 2);
    const held = [...plain.data.folds.keys()].filter((row) => plain.data.folds[row] === 2);
    assert.deepEqual(
      score.folds.map(({ fold: of, rows: count, metrics }) => [of, count, metrics.length]),
      [[2, held.length, 2]],
    );
    const shifted = (where: (row: number) => boolean): Prepared =>
      prepare(rows.map((row, i) => (where(i) ? { ...row, y: Number(row.y) + 100 } : row)));
    const worse = (
      await runFold(
        shifted((row) => held.includes(row)),
        2,
      )
    ).score.folds[0]?.metrics[0];
    assert.ok((worse?.rmse ?? 0) > 50);
  });

  it('counts the steps of its own training rows', () => {
    const { foldRows = [] } = planData(plain);
    assert.deepEqual(
      foldRows,
      [0, 1, 2, 3].map((held) => trainingRows(plain.data.folds, held).length),
    );
    const tasks = tasksOf({ id: 'trial-0001', config: tinyConfig }, planData(plain));
    assert.deepEqual(
      tasks.map(({ id, fold: of }) => [id, of]),
      [0, 1, 2, 3].map((held) => [`trial-0001/${held}/0-${4 * Math.floor((foldRows[held] ?? 0) / 8)}`, held]),
    );
  });

  it('has a checkpoint that names its training data, and is taken up with no other', async () => {
    const artifacts = memoryArtifacts();
    const data = dataFor(plain, 0);
    assert.deepEqual(decodePrepared(encodePrepared(data), data.hash), data);
    const { checkpoint = '' } = await runFold(plain, 0, artifacts);
    assert.equal(decodeCheckpoint(await artifacts.get(checkpoint)).data, trainingHash(data));
    await runFold(plain, 0, artifacts, checkpoint);
    await assert.rejects(runFold(plain, 1, artifacts, checkpoint), { code: 'CHECKPOINT_MISMATCH' });
  });
});

describe('the data of an inductive study', () => {
  it('have one hash, which changes with any row, held out or not, and with the split', () => {
    const other = prepare(rows.map((row, i) => (i === 9 ? { ...row, carat: 77 } : row)));
    assert.notEqual(dataHash(other), dataHash(plain));
    assert.equal(dataHash(prepare(rows)), dataHash(plain));
    const folds = plain.folds?.map((own) => own.data.hash) ?? [];
    assert.equal(new Set([...folds, plain.data.hash]).size, foldCount + 1);
  });

  it('leave out of a fold what does not vary in its training rows, and say so', () => {
    const held = [...plain.data.folds.keys()].find((row) => plain.data.folds[row] === 1) ?? 0;
    const rare = prepare(rows.map((row, i) => ({ ...row, depth: i === held ? 1 : 0 })));
    assert.deepEqual(
      rare.folds?.map(({ preprocessor }) => preprocessor.columns.length),
      [3, 2, 3, 3],
    );
    assert.throws(() => requireAverageable(rare, { folds: 'average', inputs: true }), { code: 'MODEL_SHAPE' });
    requireAverageable(rare, { folds: 'average', inputs: false });
    requireAverageable(rare, { folds: 'concatenate', inputs: true });
    requireAverageable(plain, { folds: 'average', inputs: true });
    assert.match(rare.warnings.join('\n'), /"depth" does not vary in the training rows of fold 1/);
    assert.deepEqual(rare.folds[1]?.preprocessor.ignored.includes('depth'), true);
  });
});
