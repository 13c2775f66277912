import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { newTaskState } from '../../src/scheduler/step.ts';
import { isLegal, moved, transitions } from '../../src/scheduler/transitions.ts';
import { taskStatuses, type TaskStatus } from '../../src/scheduler/types.ts';

const pairs = (lists: readonly (readonly [string, readonly string[]])[]): string[] =>
  lists.flatMap(([from, tos]) => tos.map((to) => `${from} -> ${to}`)).toSorted();

describe('the transition table', () => {
  it('is the one in docs/architecture.md', () => {
    const page = readFileSync('docs/architecture.md', 'utf8');
    const section = page.slice(page.indexOf('## A task'), page.indexOf('## Decisions'));
    const rows = [...section.matchAll(/^\| ([a-z, ]+) \| ([a-z, ]+) \|/gm)].slice(1);
    const drawn = rows.flatMap(([, from = '', to = '']) => from.split(', ').map((status) => [status, to.split(', ')] as const));
    assert.deepEqual(pairs(drawn), pairs(Object.entries(transitions)));
  });

  it('refuses what it does not list, saying what was tried, and leaves the task as it was', () => {
    const task = newTaskState({ id: 'a', trial: 'a', fold: 'all', rung: 0, fromStep: 0, toStep: 1 });
    for (const from of taskStatuses)
      for (const to of taskStatuses.filter((status: TaskStatus) => !isLegal(from, status))) {
        const before = { ...task, status: from };
        assert.throws(() => moved(before, to, {}), new RegExp(`${from} -> ${to}`));
        assert.equal(before.status, from);
      }
  });
});
