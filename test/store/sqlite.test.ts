import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { SqliteModule } from '@photostructure/sqlite';
import { NoisefoldError, type ErrorCode } from '../../src/base/errors.ts';
import type { TaskResult } from '../../src/train/types.ts';
import type { TaskStatus } from '../../src/scheduler/types.ts';
import { copyOf, openToWrite, transaction } from '../../src/store/database.ts';
import { sql as first } from '../../src/store/migrations/0001.ts';
import { fromJson, toJson, trialColumns } from '../../src/store/rows.ts';
import { openStore } from '../../src/store/sqlite.ts';
import { change, plan, study, taskAt } from '../contract/store.ts';
import { until } from '../contract/transport.ts';

const folder = mkdtempSync(join(tmpdir(), 'noisefold-sqlite-'));
after(() => rmSync(folder, { recursive: true }));

/** What openStore may find: Node's own module, without a flag from 22.13 on, and the package. */
const builtIn = process.getBuiltinModule('node:sqlite') as unknown as SqliteModule | undefined;
const drivers: readonly (readonly [string, Pick<SqliteModule, 'DatabaseSync'>])[] = [
  ['@photostructure/sqlite', createRequire(import.meta.url)('@photostructure/sqlite') as SqliteModule],
  ...(builtIn === undefined ? [] : [['node:sqlite', builtIn] as const]),
];

let files = 0;
const newPath = (): string => join(folder, `study-${++files}.db`);

const code =
  (expected: ErrorCode) =>
  (error: unknown): boolean =>
    error instanceof NoisefoldError && error.code === expected && error.where !== undefined;

interface Writer {
  readonly process: ChildProcess;
  readonly committed: () => number;
  readonly errors: () => string;
}

function startWriter(path: string): Writer {
  const script = fileURLToPath(new URL('writer.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, path], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  return { process: child, committed: () => Number(output.split('\n').at(-2) ?? 0), errors: () => errors };
}

describe('an SQLite store', () => {
  it('has one writer, and any readers beside it', () => {
    const path = newPath();
    const writer = openStore(path);
    writer.create(study, plan);
    assert.throws(() => openStore(path), code('STORE_LOCKED'));

    const reader = openStore(path, { readonly: true });
    assert.deepEqual(reader.plan(), plan);
    writer.commit({ tasks: [change(taskAt(0), { status: 'leased', attempt: 1 })] });
    assert.deepEqual(reader.tasks(), writer.tasks());
    assert.throws(() => reader.commit({ tasks: [change(taskAt(0), { status: 'leased', attempt: 2 })] }), code('STORE_FAILED'));
    assert.throws(() => reader.create(study, plan), code('STORE_FAILED'));

    writer.close();
    const next = openStore(path);
    next.commit({ tasks: [change(taskAt(0), { status: 'done', attempt: 1 })] });
    assert.equal(reader.tasks()[0]?.status, 'done');
    next.close();
    assert.equal(reader.tasks()[0]?.status, 'done');
    reader.close();
  });

  it('loses nothing that was committed when its process is killed, nor its lock to the dead', async () => {
    const path = newPath();
    const writer = startWriter(path);
    await until(() => writer.committed() >= 20, `twenty commits; ${writer.errors()}`);
    assert.throws(() => openStore(path), code('STORE_LOCKED'));
    writer.process.kill('SIGKILL');
    await once(writer.process, 'close');
    assert.equal(writer.errors(), '', 'nothing is written to stderr, such as warnings of experimental modules');

    const store = openStore(path);
    const [first, second] = store.tasks();
    // One more commit may have become durable than could be said.
    assert.ok(first && first.attempt >= writer.committed() && first.attempt <= writer.committed() + 1);
    assert.equal(second?.attempt, first.attempt, 'a commit is whole');
    assert.equal(store.transitions().length, 2 * first.attempt);
    store.close();
  });

  it('refuses a database of a newer noisefold, and leaves it as it is', () => {
    const path = newPath();
    const { database, close } = openToWrite(path);
    database.exec('PRAGMA user_version = 1000');
    close();
    assert.throws(() => openStore(path), code('STORE_NEWER'));
    assert.throws(() => openStore(path, { readonly: true }), code('STORE_NEWER'));
  });

  it('refuses what is not a study: text, another program’s database, a missing file or folder', () => {
    const text = newPath();
    writeFileSync(text, 'id,price\n'.repeat(200));
    const foreign = newPath();
    const { database, close } = openToWrite(foreign);
    database.exec('PRAGMA application_id = 0; PRAGMA user_version = 0');
    close();
    for (const path of [text, foreign, join(folder, 'nowhere', 'study.db')]) {
      assert.throws(() => openStore(path), code('STORE_FAILED'));
      assert.throws(() => openStore(path, { readonly: true }), code('STORE_FAILED'));
    }
    const missing = newPath();
    assert.throws(() => openStore(missing, { readonly: true }), code('STORE_FAILED'));
    assert.ok(!existsSync(missing));
  });

  it('gives the lock back after it refused to open', () => {
    const path = newPath();
    writeFileSync(path, 'junk'.repeat(300));
    assert.throws(() => openStore(path), code('STORE_FAILED'));
    rmSync(path);
    openStore(path).close();
  });

  it('reports a full disk as such, keeps what was committed before, and can still be closed', () => {
    const path = newPath();
    const { database, close } = openToWrite(path);
    const { page_count: pages } = database.prepare('PRAGMA page_count').get() as { page_count: number };
    database.exec(`PRAGMA max_page_count = ${pages + 2}`);
    const write = (name: string): void =>
      transaction({ database, path, statement: (sql) => database.prepare(sql) }, () => {
        database
          .prepare(
            "INSERT INTO study (id, name, config, config_hash, data_hash, created_ms, version) VALUES (1, ?, '', '', '', 0, '')",
          )
          .run(name);
      });
    assert.throws(() => write('x'.repeat(100_000)), code('DISK_FULL'));
    write('fits');
    // A checkpoint fails within a transaction, as it does on a full disk.
    database.exec("BEGIN IMMEDIATE; UPDATE study SET name = 'uncommitted'");
    close();
    const store = openStore(path);
    assert.equal(store.study()?.name, 'fits');
    store.close();
  });

  it('says STORE_FAILED when it is used after closing', () => {
    const store = openStore(newPath());
    store.close();
    assert.throws(() => store.tasks(), code('STORE_FAILED'));
  });

  it('needs no other files than its lock once it is closed, as far as readers see', () => {
    const path = newPath();
    const store = openStore(path);
    store.create(study, plan);
    store.close();
    const names = readdirSync(folder).filter((name) => path.endsWith(name.replace(/\.lock$/, '')));
    for (const name of readdirSync(folder)) if (name.startsWith(`study-${files}.db-`)) rmSync(join(folder, name));
    assert.equal(names.length, 2);
    const reader = openStore(path, { readonly: true });
    assert.deepEqual(reader.plan(), plan);
    reader.close();
  });
});

const oldResult: TaskResult = {
  score: {
    alphas: [1, 10],
    folds: [0.5, 0.25].map((rmse, fold) => ({
      fold,
      rows: 4,
      metrics: [rmse, 1].map((error) => ({ rmse: error, mae: 1, r2: NaN })),
    })),
    best: 0,
    features: 3,
  },
  ...{ checkpoint: 'c'.repeat(64), history: [], corruption: [], seconds: 7, parameters: 5, engine: 'onnx' },
};

/** A database as noisefold 0.1 left it. */
function firstSchema(path: string, statuses: readonly TaskStatus[]): void {
  const { database, close } = openToWrite(path);
  database.exec('PRAGMA foreign_keys = OFF');
  for (const table of ['study_transitions', 'transitions', 'results', 'tasks', 'trials', 'study'])
    database.exec(`DROP TABLE ${table}`);
  database.exec(`${first}; PRAGMA user_version = 1`);
  const { name, config, configHash, dataHash, createdMs, version } = study;
  database.prepare('INSERT INTO study VALUES (1, ?, ?, ?, ?, ?, ?)').run(name, config, configHash, dataHash, createdMs, version);
  for (const [i, trial] of plan.trials.entries()) {
    const { id, kind, parameters, config: fixed, untrained } = trialColumns(trial);
    database.prepare('INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?)').run(i, id, kind, parameters, fixed, untrained);
  }
  const insert = database.prepare('INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, 3, 1, 2, 0.5, ?, 7, NULL, NULL, NULL, ?)');
  for (const [i, { id, trial, fold, rung, fromStep, toStep }] of plan.tasks.entries())
    insert.run(
      i,
      id,
      trial,
      fold === 'all' ? null : fold,
      rung,
      fromStep,
      toStep,
      statuses[i] ?? 'done',
      'c'.repeat(64),
      statuses[i] === 'done' ? toJson(oldResult) : null,
    );
  database.exec(`INSERT INTO transitions VALUES (1, 5, '${taskAt(0).id}', 1, 'pending', 'leased', 'w', 'leased')`);
  close();
}

describe('a database of the first schema', () => {
  it('is brought up to date with all that it holds, and can then be worked with', () => {
    const path = newPath();
    firstSchema(path, ['done', 'running', 'pending', 'failed']);
    assert.throws(() => openStore(path, { readonly: true }), code('STORE_FAILED'));
    const store = openStore(path);
    assert.deepEqual(store.study(), { ...study, data: [study.dataHash], table: '' });
    assert.deepEqual(store.plan(), plan);
    assert.deepEqual(
      store.tasks().map(({ status, attempt, failures, losses, notBefore, failedOn, checkpoint }) => ({
        ...{ status, attempt, failures, losses, notBefore, failedOn, checkpoint },
      })),
      (['done', 'running', 'pending', 'failed'] as const).map((status) => ({
        ...{ status, attempt: 3, failures: 1, losses: 2, notBefore: 0.5, failedOn: [] },
        checkpoint: { hash: 'c'.repeat(64), step: 7 },
      })),
    );
    assert.equal(store.transitions(taskAt(0).id).length, 1);
    assert.deepEqual(store.tasks()[0]?.result, { seconds: 7, engine: 'onnx', rmse: [0.375, 1], auc: undefined, best: 0 });
    assert.deepEqual(store.result(taskAt(0).id), oldResult);
    assert.equal(store.result(taskAt(1).id), undefined);
    store.commit({ tasks: [change(taskAt(2), { status: 'dropped', failedOn: ['w'] })] });
    assert.throws(() => store.commit({ tasks: [change({ ...taskAt(2), id: 'stranger' }, {})] }), code('STORE_FAILED'));
    store.close();
    const again = openStore(path);
    assert.deepEqual(again.tasks()[2]?.failedOn, ['w']);
    assert.equal(again.transitions().length, 2);
    again.close();
  });

  it('whose tasks were all final is a finished study', () => {
    const path = newPath();
    firstSchema(path, ['done', 'done', 'failed', 'done']);
    const store = openStore(path);
    assert.equal(store.study()?.status, 'finished');
    store.close();
  });
});

describe('on either of its drivers', () => {
  for (const [name, driver] of drivers)
    it(`${name} copies a database in use`, () => {
      const path = newPath();
      const database = new driver.DatabaseSync(path);
      database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES ('kept')");
      const copy = newPath();
      writeFileSync(copy, copyOf(database, path));
      const opened = new driver.DatabaseSync(copy);
      assert.equal((opened.prepare('SELECT x FROM t').get() as { x: string }).x, 'kept');
      opened.close();
      database.close();
      assert.deepEqual(
        readdirSync(folder).filter((file) => file.includes('.copy-')),
        [],
      );
    });
});

describe('JSON in the store', () => {
  it('keeps doubles that JSON has no word for', () => {
    const value = { metrics: [NaN, Infinity, -Infinity, -0, 0, 1.5], columns: { $number: 0.5 } };
    assert.deepEqual(fromJson(toJson(value)), value);
  });
});
