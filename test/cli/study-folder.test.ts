import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NoisefoldError } from '../../src/base/errors.ts';
import { requireSameEngine } from '../../src/cli/study-folder.ts';
import type { TaskState } from '../../src/scheduler/types.ts';

const task = (engine?: string): Pick<TaskState, 'result'> => ({
  result: engine === undefined ? undefined : ({ engine } as NonNullable<TaskState['result']>),
});

describe('requireSameEngine', () => {
  it('lets a study go on with the engine of its results; the raw baseline has none', () => {
    requireSameEngine('wasm', [task(), task('none')], 'runs/small');
    requireSameEngine('tensorflow', [task('none'), task('tensorflow'), task()], 'runs/small');
    requireSameEngine('auto', [task('onnx')], 'runs/small');
  });

  it('refuses another one, and says which command goes on', () => {
    for (const asked of ['auto', 'onnx'] as const)
      assert.throws(
        () => requireSameEngine(asked, [task('none'), task('tensorflow')], 'runs/small'),
        (error: NoisefoldError) =>
          error.code === 'CONFIG_CHANGED' && error.message.includes(asked) && /--engine tensorflow/.test(error.hint ?? ''),
      );
  });
});
