import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isFrequent } from '../../src/wire/frequent.ts';
import { toCoordinator as schema } from '../../src/wire/schema.ts';
import { progressAt } from '../scheduler/fixtures.ts';
import { toCoordinator } from './messages.ts';

const lease = { study: 'diamonds', task: 'trial-0001/all/0-10', attempt: 1 };
const checkpointed = { type: 'checkpointed', ...lease, hash: 'ab'.repeat(32), step: 7 };
const heartbeat = { type: 'heartbeat', running: { ...lease, progress: progressAt(7) } };

/** Values at the edges of what a member may be, and beyond. */
const odd = fc.constantFrom<unknown>(
  ...[undefined, null, NaN, Infinity, -0, -1, 0.5, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, true, 1n, [], {}, new Date(0)],
  ...['', 'x', 'ä', '\ud800', '\u0000', 'a\n', '..', 'training', 'resting', 'x'.repeat(512), 'x'.repeat(513), 'AB'.repeat(32)],
  ...['ab'.repeat(32), `${'ab'.repeat(32)}\n`, new String('x')],
);

type Members = Record<string, unknown>;
const isMembers = (value: unknown): value is Members => typeof value === 'object' && value !== null && !ArrayBuffer.isView(value);

/** The message with one of its members, at any depth, replaced or taken out. */
function spoilt(message: object, place: number, value: unknown, drop: boolean): unknown {
  const copy = structuredClone(message) as Members;
  const places: (readonly [Members, string])[] = [];
  const visit = (members: Members): void => {
    for (const [key, member] of Object.entries(members)) {
      places.push([members, key]);
      if (isMembers(member)) visit(member);
    }
  };
  visit(copy);
  const [members, key] = places[place % places.length] ?? [copy, 'type'];
  if (drop) Reflect.deleteProperty(members, key);
  else members[key] = value;
  return copy;
}

describe('a frequent message', () => {
  it('that is plainly well-formed needs no second look', () => {
    for (const message of [checkpointed, heartbeat, { type: 'heartbeat', running: undefined }]) assert.ok(isFrequent(message));
    assert.ok(!isFrequent({ type: 'goodbye' }));
  });

  it('is well-formed by the schema wherever it is by hand, whatever is wrong with it', () => {
    const whole = fc.oneof(fc.constant(checkpointed), fc.constant(heartbeat), toCoordinator);
    fc.assert(
      fc.property(whole, fc.nat(), odd, fc.boolean(), fc.boolean(), (message, place, value, drop, twice) => {
        const once = spoilt(message, place, value, drop);
        const bad = twice && isMembers(once) ? spoilt(once, place >> 3, value, !drop) : once;
        for (const one of [message, bad]) if (isFrequent(one)) assert.ok(schema.safeParse(one).success, JSON.stringify(one));
      }),
      { numRuns: 5_000 },
    );
  });

  it('is refused for each of its members', () => {
    for (const message of [checkpointed, heartbeat])
      for (let place = 1; place < 20; place++) {
        const bad = spoilt(message, place, Symbol('nothing'), false);
        if (isMembers(bad)) assert.equal(isFrequent(bad), schema.safeParse(bad).success);
      }
  });
});
