/**
 * Bugs to plant, to see that the simulator finds them. Each is a small edit of a copy of the sources; the text that it replaces has to be there, once, so a mutation
 * that the code has outgrown is told and not passed over.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Mutation {
  readonly name: string;
  readonly edits: readonly Edit[];
}

const one = (name: string, file: string, from: string, to: string): Mutation => ({ name, edits: [{ file, from, to }] });

export const mutations: readonly Mutation[] = [
  {
    name: 'send before commit',
    edits: [
      {
        file: 'coordinator/coordinator.ts',
        from: 'const failure = commit(changes);\n',
        to: 'adopt(next, carried);\n      const failure = commit(changes);\n',
      },
      {
        file: 'coordinator/coordinator.ts',
        from: 'if (failure === undefined) {\n        adopt(next, carried);\n',
        to: 'if (failure === undefined) {\n',
      },
    ],
  },
  one(
    'a failure counts as often as it is told',
    'scheduler/from-worker.ts',
    'settles(event) ? latest(draft, event) : current(draft, event)',
    "event.type === 'returned' ? current(draft, event) : latest(draft, event)",
  ),
  one(
    'a turn counts although the disk was full',
    'coordinator/coordinator.ts',
    'outage.begin(failure.error);\n',
    'outage.begin(failure.error);\n        adopt(next, carried);\n',
  ),
  one(
    'no fencing: any attempt counts as the current one',
    'scheduler/from-worker.ts',
    'task.attempt === attempt && isHeld(task.status) ? task',
    'attempt > 0 && isHeld(task.status) ? task',
  ),
  one(
    'a result counts for a task that has ended otherwise',
    'scheduler/from-worker.ts',
    'attempt > 0 && !isFinal(task.status) ? task',
    "attempt > 0 && task.status !== 'done' ? task",
  ),
  one('forget losses', 'scheduler/tasks.ts', 'const losses = task.losses + 1;', 'const losses = 1;'),
  one(
    'forget on which workers a task failed',
    'scheduler/tasks.ts',
    'const change = { ...unleased, failures, failedOn, error: failure };',
    'const change = { ...unleased, failures, error: failure };',
  ),
  one('leases never end', 'scheduler/clock.ts', '(now.leaseUntil ?? 0) <= draft.nowMs', '(now.leaseUntil ?? 0) < 0'),
  one(
    'work is handed to workers that have some',
    'scheduler/worker-table.ts',
    "return this.chunks.find(({ idle }) => idle > 0)?.workers.find(({ status }) => status === 'idle');",
    "return [...this.values()].find(({ status }) => status === 'idle' || status === 'busy');",
  ),
  one(
    'a study that is paused never gets there',
    'scheduler/draft.ts',
    "return holds(study) > 0 ? 'pausing' : 'paused';",
    "return 'pausing';",
  ),
  one('hung tasks are not found', 'scheduler/clock.ts', 'else if (hangs(draft, now)) endHung(draft, name, now);', ''),
  one('quarantined workers are forgotten', 'scheduler/clock.ts', '  probe(draft);\n', ''),
  one(
    'a result is acknowledged although its study is out of reach',
    'scheduler/from-worker.ts',
    'if (draft.studies.has(study)) draft.emit(',
    'draft.emit(',
  ),
  one(
    'a worker that says hello again keeps what it held',
    'scheduler/from-worker.ts',
    "if (known.id === worker) leave(draft, worker, 'worker said hello again', handBack);",
    'if (known.id === worker) continue;',
  ),
  one(
    'a restart counts attempts from the beginning',
    'scheduler/step.ts',
    '{ ...task, worker: undefined, leaseUntil: nowMs + graceMs }',
    '{ ...task, attempt: 1, worker: undefined, leaseUntil: nowMs + graceMs }',
  ),
  one(
    'say that a blob is stored before it is',
    'wire/blobs/server.ts',
    '    await upload.finish();\n',
    '    void upload.finish();\n',
  ),
  one(
    'nobody looks whether models are still there',
    'coordinator/coordinator.ts',
    'timers.every(options.garbage.everyMs, () => void healInTime()),',
    '',
  ),
  one(
    'a result that is made again counts its attempts from the beginning',
    'scheduler/studies.ts',
    '({ ...newTaskState(task), attempt })',
    '({ ...newTaskState(task), attempt: attempt * 0 })',
  ),
  one(
    'the garbage collector does not see running tasks',
    'coordinator/garbage.ts',
    '.tasks.pointingAt(hash) ?? 0;',
    '.tasks.pointingAt("") ?? 0;',
  ),
  one(
    'resume from a checkpoint that was not verified',
    'coordinator/checkpoints.ts',
    "if (found === 'good') return hash;",
    "if (found !== '') return hash;",
  ),
  {
    // Either alone does no harm: the coordinator looks, and the worker waits.
    name: 'a worker says what it hopes to store, and the coordinator believes it',
    edits: [
      {
        file: 'coordinator/inbox.ts',
        from: 'if (!(await has(hash))) missing = hash;',
        to: 'await has(hash);',
      },
      {
        file: 'worker/session.ts',
        from: "      effects: [{ type: 'upload', hash: task.next.hash }],",
        to: "      effects: [{ type: 'send', message: { type: 'checkpointed', ...task.lease, ...task.next } }, { type: 'upload', hash: task.next.hash }],",
      },
    ],
  },
  one(
    'the other folds of a failed trial are not dropped',
    'scheduler/tasks.ts',
    'if (!isFinal(other.status)) drop(draft, study, other, `${task.task.id} failed`);',
    'if (other.attempt < 0) return;',
  ),
  one(
    'a retry leaves the dropped folds',
    'scheduler/studies.ts',
    "for (const status of ['dropped', 'failed'] as const)",
    "for (const status of ['failed'] as const)",
  ),
  one(
    'a rung is decided before all of its trials are scored',
    'scheduler/draft.ts',
    "study.status === 'cancelled' || isOpen(study) ? [] : promotions(study);",
    "study.status === 'cancelled' ? [] : promotions(study);",
  ),
  one(
    'at a rung the worst go on',
    'scheduler/rungs.ts',
    'a.error - b.error || (a.trial < b.trial ? -1 : 1)',
    'b.error - a.error || (a.trial < b.trial ? -1 : 1)',
  ),
  one(
    'a trial goes on to a rung where it is already',
    'scheduler/rungs.ts',
    '\n      entrant.isPromoted ? []',
    '\n      entrant.isPromoted && rung > 5 ? []',
  ),
  one(
    'a study is finished although trials are to go on',
    'scheduler/draft.ts',
    'for (const promotion of due(this.studiesNow.get(name))) this.promote(name, promotion);',
    '',
  ),
  one(
    'the model of a rung is let go while its trial is on its way to the next',
    'coordinator/retention.ts',
    '(task) => isBehind(task.task.rung) && !standing.includes(task)',
    '(task) => tasks.ofTrial(id).some((other) => other.task.rung > task.task.rung)',
  ),
];

/** Plants each bug in a copy of the sources and runs seeds until one finds it. Returns whether all were found. */
export function runMutations(seeds: number, only: string): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'noisefold-mutant-'));
  const rows: string[] = [];
  let all = true;
  try {
    for (const name of ['test/simulation', 'package.json', 'tsconfig.json', 'proto'])
      cpSync(name, join(folder, name), { recursive: true });
    symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
    for (const mutation of mutations.filter(({ name }) => name.includes(only))) {
      rmSync(join(folder, 'src'), { recursive: true, force: true });
      cpSync('src', join(folder, 'src'), { recursive: true });
      plant(folder, mutation);
      const args = ['--import', 'tsx', 'test/simulation/simulate.ts', '--seeds', String(seeds), '--quiet'];
      const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
      const [, seed, how] = /^seed (\d+): (.*); \d+ events/m.exec(stdout) ?? [];
      if (seed === undefined) all = false;
      const row = `| ${mutation.name} | ${seed ?? 'none'} | ${how ?? (stdout.includes('seeds well') ? 'not found' : stderr.slice(-300))} |`;
      console.log(row);
      rows.push(row);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${rows.length} planted, ${all ? 'all found' : 'some not found'}`);
  return all;
}

function plant(folder: string, { edits }: Mutation): void {
  for (const { file, from, to } of edits) {
    const path = join(folder, 'src', file);
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace(from, () => to),
    );
  }
}

/** Bugs that have no place any more, since the sources have changed: their text is not there, or more than once. */
export const misplaced = (): string[] =>
  mutations.flatMap(({ name, edits }) =>
    edits.every(({ file, from }) => readFileSync(join('src', file), 'utf8').split(from).length === 2) ? [] : [name],
  );
