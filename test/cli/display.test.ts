import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createDisplay, terminalOf, type Display } from '../../src/cli/display.ts';
import { frameOf } from '../../src/report/frame.ts';
import { unpainted } from '../../src/report/model.ts';
import type { TrialStatus } from '../../src/scheduler/types.ts';
import { row, training, view } from '../report/fixtures.ts';
import { createScreen, type Screen } from './screen.ts';

interface Setup {
  readonly display: Display;
  readonly screen: Screen;
  readonly written: string[];
  readonly clock: { now: number };
  readonly out: { columns: number };
}

function open(isTTY: boolean, { columns = 120, rows = 24, colour = false } = {}): Setup {
  const screen = createScreen(columns, rows);
  const written: string[] = [];
  const clock = { now: 0 };
  const out = {
    columns,
    rows,
    write: (text: string | Uint8Array): boolean => {
      written.push(String(text));
      screen.write(String(text));
      return true;
    },
  };
  return { display: createDisplay({ out, colour, isTTY, nowMs: () => clock.now }), screen, written, clock, out };
}

const header = 'diamonds  7/12 trials done, 2 running, 0 failed  elapsed 1:40  left 1:05';
const best = 'best 0.1131 RMSE (trial-0003)  raw ridge 0.1781 (−36.5 %)  untrained network 0.1262 (−10.4 %)';
const bar = 'local-1  trial-0004  ████████████░░░░░░░░░░░░  epoch 6/10   loss 0.412  48k rows/s  0:21';

describe('display on a terminal', () => {
  it('shows the study, a bar a worker and the best score', () => {
    const { display, screen } = open(true);
    display.update(view());
    assert.deepEqual(screen.lines(), [header, bar, 'local-2  idle', best]);
  });

  it('draws each frame over the last, in one write', () => {
    const { display, screen, written, clock } = open(true);
    display.update(view());
    clock.now += 200;
    display.update(view({ elapsed: 101, workers: [training('local-1', 'trial-0004', { epoch: 7, share: 0.625 })] }));
    assert.equal(written.length, 2);
    assert.deepEqual(screen.lines(), [
      header.replace('1:40', '1:41'),
      'local-1  trial-0004  ███████████████░░░░░░░░░  epoch 7/10   loss 0.412  48k rows/s  0:21',
      best,
    ]);
  });

  it('keeps notes above the bars', () => {
    const { display, screen } = open(true);
    display.update(view());
    display.note('a note');
    display.note('another');
    assert.deepEqual(screen.lines(), ['a note', 'another', header, bar, 'local-2  idle', best]);
  });

  it('is not shifted by the ^C that a terminal echoes', () => {
    const { display, screen } = open(true);
    display.update(view());
    screen.write('^C');
    display.note('stopping');
    assert.deepEqual(screen.lines(), ['stopping', header, bar, 'local-2  idle', best]);
  });

  it('says what trials came to, but not that they started: the bars show that', () => {
    const { display, screen, clock } = open(true);
    display.update(
      view({
        rows: [
          row('trial-0003', { status: 'running', attempts: 1 }),
          row('trial-0005', { status: 'running', attempts: 1 }),
          row('trial-0006'),
        ],
      }),
    );
    clock.now += 1;
    display.update(
      view({
        rows: [
          row('trial-0003', { status: 'done', attempts: 1, score: 0.1131, seconds: 34 }),
          row('trial-0005', {
            status: 'failed',
            attempts: 1,
            error: { code: 'TRAIN_DIVERGED', message: 'TRAIN_DIVERGED: the \x1b[31mloss is NaN\nat step 7' },
          }),
          row('trial-0006', { status: 'running', attempts: 1 }),
        ],
      }),
    );
    assert.deepEqual(screen.lines().slice(0, 3), [
      'trial-0003 done: 0.1131 RMSE in 0:34, the best so far',
      'trial-0005 failed: TRAIN_DIVERGED the [31mloss is NaN',
      header,
    ]);
  });

  it('leaves the header and the best score when closed, and the cursor below them', () => {
    const { display, screen } = open(true);
    display.update(view());
    display.close();
    display.close();
    display.update(view({ elapsed: 999 }));
    display.note('after');
    assert.deepEqual(screen.lines(), [header, best, 'after']);
  });

  it('skips frames that come too fast, and shows the last view when closed', () => {
    const { display, screen, written, clock } = open(true);
    for (let i = 0; i <= 100; i++) {
      clock.now = i;
      display.update(view({ elapsed: i }));
    }
    assert.equal(written.length, 2);
    display.close();
    assert.equal(screen.lines()[0], header);
  });

  it('shows nothing but the notes, in order, above the frame of the last view, whatever came before', () => {
    const action = fc.oneof(
      fc.record({ type: fc.constant('update' as const), workers: fc.nat(30), elapsed: fc.nat(10_000) }),
      fc.record({ type: fc.constant('note' as const), length: fc.integer({ min: 1, max: 200 }) }),
    );
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 12 }),
        fc.integer({ min: 12, max: 130 }),
        fc.integer({ min: 5, max: 30 }),
        (actions, columns, rows) => {
          const { display, screen, clock } = open(true, { columns, rows });
          const notes: string[] = [];
          let frame: readonly string[] = [];
          for (const act of actions) {
            clock.now += 1000;
            if (act.type === 'note') {
              const note = `${notes.length}`.padEnd(act.length, 'x');
              display.note(note);
              for (let i = 0; i < note.length; i += columns) notes.push(note.slice(i, i + columns));
            } else {
              const now = view({
                elapsed: act.elapsed,
                workers: Array.from({ length: act.workers }, (_, i) => training(`local-${i}`, `trial-${i}`)),
              });
              display.update(now);
              frame = frameOf(now, { width: columns - 1, height: rows - 1 }, unpainted);
              assert.ok(frame.length <= rows - 1);
              assert.ok(frame.every((line) => line.length < columns));
            }
          }
          assert.deepEqual(screen.lines(), [...notes, ...frame]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('draws over all of the last frame after the window got narrower', () => {
    const { display, screen, out, clock } = open(true);
    display.note('a note');
    display.update(view());
    for (const columns of [60, 30]) {
      out.columns = columns;
      screen.narrow(columns);
      clock.now += 1000;
      display.update(view());
      assert.deepEqual(screen.lines(), ['a note', ...frameOf(view(), { width: columns - 1, height: 23 }, unpainted)]);
    }
  });

  it('paints without moving anything', () => {
    const plain = open(true);
    const painted = open(true, { colour: true });
    for (const { display } of [plain, painted]) display.update(view());
    assert.deepEqual(painted.screen.lines(), plain.screen.lines());
    assert.ok(painted.written.join('').includes('\x1b[32m'));
    assert.doesNotMatch(plain.written.join(''), /\x1b\[[0-9;]*m/);
  });
});

describe('frame of a study', () => {
  const frame = (width: number, height = 24) => frameOf(view(), { width, height }, unpainted);

  it('leaves out what matters least where the terminal is narrow', () => {
    assert.deepEqual(frame(79).at(-1), 'best 0.1131 RMSE (trial-0003)  raw 0.1781 −36.5 %  untrained 0.1262 −10.4 %');
    assert.deepEqual(
      [100, 70, 55, 40, 26].map((width) => frame(width)[1]),
      [
        bar,
        'local-1  trial-0004  █████████░░░░░░░░░  epoch 6/10   48k rows/s  0:21',
        'local-1  trial-0004  ███████░░░░░░░░  epoch 6/10   0:21',
        'local-1  trial-0004  ██████░░░░░░░  0:21',
        'local-1  trial-0004  0:21',
      ],
    );
  });

  it('counts the workers that do not fit', () => {
    const many = view({ workers: Array.from({ length: 8 }, (_, i) => training(`gpu-${i}`, `trial-${i}`)) });
    const lines = frameOf(many, { width: 80, height: 6 }, unpainted);
    assert.equal(lines.length, 6);
    assert.equal(lines[4], 'and 5 more workers');
  });

  it('does not claim to know the time left before a trial was scored', () => {
    const now = view({ left: { seconds: 53, atLeast: true } });
    assert.match(frameOf(now, { width: 120, height: 9 }, unpainted)[0] ?? '', / elapsed 1:40 {2}more than 0:53 left$/);
  });

  it('shows the time left of the scoring as of the training', () => {
    const scoring = { phase: 'scoring', epoch: undefined, epochs: undefined, loss: undefined, rowsPerSecond: undefined } as const;
    const now = view({ workers: [training('local-1', 'trial-0004', { ...scoring, share: 0.25, secondsLeft: 12 })] });
    assert.equal(
      frameOf(now, { width: 60, height: 9 }, unpainted)[1],
      'local-1  trial-0004  ██████░░░░░░░░░░░░░░░░░░  scoring  0:12',
    );
  });

  it('says how many baselines are still to come, and that the study is stopping', () => {
    const now = view({ phase: 'stopping', baselines: { pending: 1, running: 0, done: 1, failed: 0, dropped: 0, total: 2 } });
    assert.equal(
      frameOf(now, { width: 120, height: 9 }, unpainted)[0],
      'diamonds  7/12 trials done, 2 running, 0 failed  1/2 baselines  stopping  elapsed 1:40',
    );
  });
});

describe('a study with rungs', () => {
  const rung = { number: 2, of: 3, epochs: 3, trials: 4, scored: 1 };

  it('is told by the rung that it is at, how many are scored there, and how many run now', () => {
    const now = view({ rung, workers: [training('local-1', 'trial-0004')] });
    assert.equal(
      frameOf(now, { width: 120, height: 9 }, unpainted)[0],
      'diamonds  rung 2/3 (3 epochs): 1/4 trials scored, 1 running, 0 failed  elapsed 1:40  left 1:05',
    );
  });

  it('tells every score by its epochs, who continues, and who goes on when a rung is decided', () => {
    const { display, written, clock } = open(false, { colour: false });
    type Rung = NonNullable<ReturnType<typeof row>['rung']>;
    const at = (number: number, ...rows: ReturnType<typeof row>[]) =>
      view({ rung: { ...rung, number }, rows, best: { trial: 'trial-0001', score: 0.1 } });
    const running = { status: 'running', attempts: 1, worker: 'local-1' } as const;
    const first: Rung = { number: 1, toEpochs: 1, scored: undefined };
    const scored = (score: number): Rung => ({ ...first, scored: { epochs: 1, score } });
    display.update(
      at(1, row('trial-0001', { rung: { ...first, toEpochs: undefined } }), row('trial-0002', { ...running, rung: first })),
    );
    clock.now += 100;
    display.update(
      at(
        1,
        row('trial-0001', { ...running, rung: first }),
        row('trial-0002', { status: 'done', attempts: 1, rung: scored(0.2) }),
      ),
    );
    const sent = { ...running, worker: undefined, score: 0.1, rung: { ...scored(0.1), number: 2 } };
    display.update(at(2, row('trial-0001', sent), row('trial-0002', { status: 'done', attempts: 1, rung: scored(0.2) })));
    const onTheWay = { ...sent, worker: 'local-1', rung: { ...sent.rung, toEpochs: 3 } };
    display.update(at(2, row('trial-0001', onTheWay)));
    display.update(at(2, row('trial-0001', { ...onTheWay, attempts: 2 })));
    display.update(
      at(2, row('trial-0001', { status: 'done', rung: { number: 2, toEpochs: 3, scored: { epochs: 3, score: 0.3 } } })),
    );
    const said = written
      .join('')
      .split('\n')
      .filter((line) => /^(trial|rung)/.test(line));
    assert.deepEqual(said, [
      'trial-0002 started on local-1, for 1 epoch',
      'trial-0001 started on local-1, for 1 epoch',
      'trial-0002 after 1 epoch: 0.2000 RMSE',
      'trial-0001 after 1 epoch: 0.1000 RMSE, the best so far',
      'rung 1/3 is decided: trial-0001 goes on to 3 epochs',
      'trial-0001 continues on local-1, to 3 epochs',
      'trial-0001 started on local-1, attempt 2',
      'trial-0001 after 3 epochs: 0.3000 RMSE',
    ]);
  });

  it('says nothing of what is on its way when a study is resumed, before somebody runs it', () => {
    const { display, written } = open(false, { colour: false });
    const waits = {
      status: 'running',
      attempts: 1,
      rung: { number: 2, toEpochs: 3, scored: { epochs: 1, score: 0.1 } },
    } as const;
    display.update(view({ rung, rows: [row('trial-0001', waits)] }));
    assert.ok(!written.join('').includes('trial-0001 '));
  });
});

describe('display elsewhere', () => {
  it('writes plain lines when trials start and end, without escape codes', () => {
    const { display, written, clock } = open(false, { colour: true });
    const at = (...rows: ReturnType<typeof row>[]) => view({ rows });
    display.update(at(row('trial-0003')));
    clock.now += 100;
    display.update(at(row('trial-0003', { status: 'running', attempts: 1, worker: 'local-1' })));
    display.update(at(row('trial-0003', { status: 'pending', attempts: 1 })));
    display.update(at(row('trial-0003', { status: 'running', attempts: 2, worker: 'local-2' })));
    display.note('a note');
    display.update(at(row('trial-0003', { status: 'done', attempts: 2, score: 0.1131, seconds: 34 })));
    assert.deepEqual(written.join('').split('\n'), [
      `${header}  ${best}`,
      'trial-0003 started on local-1',
      'trial-0003 is back in the queue',
      'trial-0003 started on local-2, attempt 2',
      'a note',
      'trial-0003 done: 0.1131 RMSE in 0:34, the best so far',
      '',
    ]);
  });

  it('gives the reason of every crash, also of one like the last, but none where the worker was lost', () => {
    const { display, written, clock } = open(false);
    const error = { code: 'TASK_CRASHED', message: `the process was ended by SIGKILL; its last words: ${'x'.repeat(300)}` };
    const at = (status: TrialStatus, attempts: number, failures: number) => {
      display.update(
        view({ rows: [row('trial-0003', { status, attempts, failures, ...(failures > 0 ? { error } : {}) })], workers: [] }),
      );
      clock.now += 100;
    };
    at('pending', 0, 0);
    for (const failures of [1, 2]) {
      at('running', failures, failures - 1);
      at('pending', failures, failures);
    }
    at('running', 3, 2);
    at('pending', 3, 2);
    at('running', 4, 2);
    at('failed', 4, 3);
    const said = written.join('').split('\n');
    const reason = /: TASK_CRASHED the process was ended by SIGKILL; its last words: x+…$/;
    assert.deepEqual(
      said.filter((line) => /queue|failed:/.test(line)).map((line) => line.replace(reason, ': why')),
      [
        'trial-0003 is back in the queue: why',
        'trial-0003 is back in the queue: why',
        'trial-0003 is back in the queue',
        'trial-0003 failed: why',
      ],
    );
    assert.ok(said.every((line) => line.length < 200));
  });

  it('writes about progress every ten seconds at most, and once at the end', () => {
    const { display, written, clock } = open(false);
    for (; clock.now < 25_000; clock.now += 500) display.update(view());
    assert.equal(written.length, 3);
    display.close();
    display.close();
    assert.equal(written.length, 4);
  });

  it('does not announce what was over before it was opened', () => {
    const { display, written } = open(false);
    display.update(
      view({
        rows: [
          row('trial-0001', { status: 'done', score: 1 }),
          row('trial-0002', { status: 'running', attempts: 1, worker: 'local-1' }),
        ],
      }),
    );
    assert.deepEqual(written, ['trial-0002 started on local-1\n', `${header}  ${best}\n`]);
  });
});

describe('what a terminal can do', () => {
  it('follows the stream, TERM, CI and NO_COLOR', () => {
    const tty = { isTTY: true };
    assert.deepEqual(terminalOf(tty, { TERM: 'xterm' }), { isTTY: true, colour: true });
    assert.deepEqual(terminalOf(tty, { TERM: 'xterm', NO_COLOR: '1' }), { isTTY: true, colour: false });
    assert.deepEqual(terminalOf(tty, { TERM: 'xterm', NO_COLOR: '' }), { isTTY: true, colour: true });
    for (const env of [{ TERM: 'dumb' }, { CI: 'true' }]) assert.deepEqual(terminalOf(tty, env), { isTTY: false, colour: false });
    assert.deepEqual(terminalOf({}, {}), { isTTY: false, colour: false });
  });
});
