import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { newTaskState } from '../../src/scheduler/step.ts';
import * as tables from '../../src/scheduler/transitions.ts';
import { taskStatuses } from '../../src/scheduler/types.ts';
import { taskNamed } from './fixtures.ts';

const pairs = (lists: readonly (readonly [string, readonly string[]])[]): string[] =>
  lists.flatMap(([from, tos]) => tos.map((to) => `${from} -> ${to}`)).toSorted();

describe('docs/architecture.md', () => {
  const page = readFileSync('docs/architecture.md', 'utf8');

  for (const [title, table] of [
    ['A task', tables.taskTransitions],
    ['A trial', tables.trialTransitions],
    ['A study', tables.studyTransitions],
    ['A worker', tables.workerTransitions],
  ] as const)
    it(`draws the table of transitions: ${title}`, () => {
      const start = page.indexOf(`### ${title}`);
      assert.ok(start > 0, `no section ${title}`);
      const section = page.slice(start, page.indexOf('\n##', start + 1));
      const rows = [...section.matchAll(/^\| ([a-z, ]+) \| ([a-z, ]+) \|/gm)].slice(1);
      const drawn = rows.flatMap(([, from = '', to = '']) => from.split(', ').map((status) => [status, to.split(', ')] as const));
      assert.deepEqual(pairs(drawn), pairs(Object.entries(table)));
    });
});

describe('a move that the table lacks', () => {
  it('is refused with what was tried, and leaves the task as it was', () => {
    const task = newTaskState(taskNamed('a'));
    for (const from of taskStatuses)
      for (const to of taskStatuses.filter((status) => !tables.isLegalTask(from, status))) {
        const before = { ...task, status: from };
        assert.throws(() => tables.moved(before, to, {}), new RegExp(`${from} -> ${to}`));
        assert.equal(before.status, from);
      }
  });
});
