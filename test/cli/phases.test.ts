import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NoisefoldError } from '../../src/base/errors.ts';
import { openPhases, type Phase, type Phases } from '../../src/cli/phases.ts';
import { createScreen, type Screen } from './screen.ts';

interface Setup {
  readonly phases: Phases;
  readonly screen: Screen;
  readonly written: string[];
  readonly logged: readonly (readonly [message: string, fields: unknown])[];
  readonly clock: { at: number };
}

const three: readonly Phase[] = [
  { name: 'the features', work: 60 },
  { name: 'learning curve of raw', work: 10 },
  { name: 'learning curve of trial-0003', work: 30 },
];

const interrupted = new NoisefoldError('INTERRUPTED', 'the report is not written yet', { hint: 'Finish with: noisefold sweep' });

function open(isTTY: boolean, quiet = false): Setup {
  const screen = createScreen(80, 24);
  const written: string[] = [];
  const logged: [string, unknown][] = [];
  const clock = { at: 0 };
  const write = (text: string | Uint8Array): boolean => {
    written.push(String(text));
    screen.write(String(text));
    return true;
  };
  const phases = openPhases({
    ...{ title: 'finishing', phases: three, isTTY, quiet, interrupted },
    out: { columns: 80, rows: 24, write },
    clock: { now: () => clock.at },
    log: { log: (_level, message, fields) => logged.push([message, fields]) },
  });
  return { phases, screen, written, logged, clock };
}

/** Both halves of a phase of so many seconds. */
async function halves({ phases, clock }: Setup, seconds: number): Promise<void> {
  await phases.run(async (working) => {
    for (const share of [0.5, 1]) {
      clock.at += 500 * seconds;
      await working(share);
    }
  });
}

describe('work in phases', () => {
  it('is a bar on a terminal, with the phase and the time left of all phases, below the notes', async () => {
    const setup = open(true);
    await halves(setup, 6);
    assert.deepEqual(setup.screen.lines(), ['finishing ██████████████░░░░░░░░░░ 60 %  the features  0:04 left']);
    setup.phases.note('Writing 100 rows');
    await halves(setup, 1);
    assert.deepEqual(setup.screen.lines(), [
      'Writing 100 rows',
      'finishing █████████████████░░░░░░░ 70 %  learning curve of raw  0:03 left',
    ]);
    setup.phases.close();
    assert.deepEqual(setup.screen.lines(), ['Writing 100 rows']);
  });

  it('is a line a phase and one every five seconds elsewhere', async () => {
    const setup = open(false);
    await halves(setup, 12);
    await halves(setup, 1);
    setup.phases.close();
    assert.deepEqual(setup.written, [
      'finishing: 0.0 %  the features\n',
      'finishing: 30.0 %  the features  0:14 left\n',
      'finishing: 60.0 %  the features  0:08 left\n',
      'finishing: 60.0 %  learning curve of raw  0:08 left\n',
    ]);
  });

  it('says nothing if quiet, and logs each phase with its seconds all the same', async () => {
    const setup = open(false, true);
    await halves(setup, 2);
    setup.phases.note('Writing 100 rows');
    setup.phases.close();
    assert.deepEqual(setup.written, []);
    assert.deepEqual(setup.logged, [
      ['finishing: the features', undefined],
      ['finishing: the features is done', { seconds: 2 }],
    ]);
  });

  it('is ended by a signal at the next step, so that the phase can clean up, and not by one after its close', async () => {
    const before = process.listenerCount('SIGINT');
    const { phases } = open(false);
    let cleaned = false;
    const run = phases.run(async (working) => {
      try {
        await working(0.1);
        process.emit('SIGINT');
        await working(0.2);
      } finally {
        cleaned = true;
      }
    });
    await assert.rejects(run, interrupted);
    assert.ok(cleaned);
    phases.close();
    assert.equal(process.listenerCount('SIGINT'), before);
  });
});
