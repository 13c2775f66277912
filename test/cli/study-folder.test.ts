import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NoisefoldError } from '../../src/base/errors.ts';
import { engineOfStudy } from '../../src/cli/study-folder.ts';
import { newTaskState } from '../../src/scheduler/task-table.ts';
import type { TaskState } from '../../src/scheduler/types.ts';

const pending: TaskState = newTaskState({ id: 'a', trial: 'a', fold: 'all', rung: 0, fromStep: 0, toStep: 1 });
const done = (engine: string): TaskState => ({
  ...pending,
  status: 'done',
  result: { engine } as NonNullable<TaskState['result']>,
});

describe('the engine of a study that is taken up again', () => {
  it('is that of its results, also where none is asked for; the raw baseline has none', () => {
    assert.equal(engineOfStudy('wasm', [pending, done('none')], 'runs/small'), 'wasm');
    assert.equal(engineOfStudy('auto', [pending, done('none')], 'runs/small'), 'auto');
    for (const asked of ['tensorflow', 'auto'] as const)
      assert.equal(engineOfStudy(asked, [done('none'), done('tensorflow'), pending], 'runs/small'), 'tensorflow');
  });

  it('cannot be another one, and the error says which command goes on', () => {
    assert.throws(
      () => engineOfStudy('onnx', [done('none'), done('tensorflow'), pending], 'runs/small'),
      (error: NoisefoldError) =>
        error.code === 'CONFIG_CHANGED' && error.message.includes('onnx') && /--engine tensorflow/.test(error.hint ?? ''),
    );
  });

  it('does not matter when nothing is left to do', () => {
    assert.equal(engineOfStudy('onnx', [done('none'), done('tensorflow')], 'runs/small'), 'onnx');
  });
});
