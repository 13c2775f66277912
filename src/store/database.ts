/**
 * SQLite on the node:sqlite API: Node's own module where it has one without a flag (>= 22.13), else @photostructure/sqlite.
 *
 * - Durable: write-ahead log, and synchronous=FULL, so that COMMIT returns after an fsync.
 * - One writer: it holds an exclusive lock on an empty side database, `<path>.lock`, from opening to closing. The operating system drops
 *   the lock when the process ends, however it ends. The database itself stays free for readers, which see the last commit. The lock is an
 *   fcntl one: it needs a file system that has those (not every NFS), and the file must not be deleted while a sweep runs.
 * - Versioned: user_version counts the migrations applied, application_id marks the file as ours.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { DatabaseSyncInstance, SqliteModule } from '@photostructure/sqlite';
import { NoisefoldError } from '../base/errors.ts';
import { migrations } from './migrations/index.ts';

export type Database = DatabaseSyncInstance;
export type Statement = ReturnType<Database['prepare']>;
type Sqlite = Pick<SqliteModule, 'DatabaseSync'>;

/** `nfld` in ASCII. */
const applicationId = 0x6e666c64;
const busyTimeoutMs = 5_000;
const resultCodes = { busy: 5, full: 13, notADatabase: 26 } as const;

let loaded: Sqlite | undefined;

/** Loaded at the first use. Node's warning that its module is experimental says nothing to a user of noisefold. */
function sqlite(): Sqlite {
  if (loaded) return loaded;
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = () => {};
  try {
    loaded = process.getBuiltinModule('node:sqlite') as unknown as Sqlite | undefined;
    loaded ??= createRequire(import.meta.url)('@photostructure/sqlite') as Sqlite;
    return loaded;
  } finally {
    process.emitWarning = emitWarning;
  }
}

export interface OpenDatabase {
  readonly database: Database;
  readonly close: () => void;
}

/** The only writer's connection; makes the file if there is none. Throws STORE_LOCKED, STORE_NEWER, STORE_FAILED, DISK_FULL. */
export function openToWrite(path: string): OpenDatabase {
  const lock = takeLock(`${path}.lock`);
  try {
    return attempt(path, () => {
      const database = new (sqlite().DatabaseSync)(path);
      try {
        // Before anything is written to it, even by changing the journal's mode.
        checkOwner(database, path);
        // Without foreign keys while tables are copied and renamed, as SQLite's manual says of ALTER TABLE; they cannot be switched within a transaction.
        database.exec(
          `PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF`,
        );
        migrate(database, path);
        database.exec('PRAGMA foreign_keys = ON');
      } catch (error) {
        database.close();
        throw error;
      }
      return {
        database,
        close: () => {
          try {
            // So that the file is complete without its log, whether or not a reader keeps the log open.
            database.exec('PRAGMA wal_checkpoint(PASSIVE)');
          } catch {
            // The disk is full, say. Nothing is lost: the log stays, and the next to open reads it.
          }
          database.close();
          lock.close();
        },
      };
    });
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** A connection that cannot write, beside a writer or without one. Throws STORE_NEWER, STORE_FAILED. */
export function openToRead(path: string): OpenDatabase {
  return attempt(path, () => {
    const database = new (sqlite().DatabaseSync)(path, { readOnly: true });
    try {
      database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
      checkOwner(database, path);
      if (versionOf(database, path) < migrations.length)
        throw new NoisefoldError('STORE_FAILED', 'the study database is empty, or of an older noisefold', {
          where: path,
          hint: 'Running the sweep again brings it up to date.',
        });
    } catch (error) {
      database.close();
      throw error;
    }
    return { database, close: () => database.close() };
  });
}

/** A consistent copy of the database as the bytes of a file, through a temporary file beside it. Throws DISK_FULL, STORE_FAILED. */
export function copyOf(database: Database, path: string): Uint8Array {
  const copy = `${path}.copy-${randomUUID()}`;
  try {
    return attempt(path, () => {
      database.prepare('VACUUM INTO ?').run(copy);
      return readFileSync(copy);
    });
  } finally {
    rmSync(copy, { force: true });
  }
}

/** A connection with its compiled statements. */
export interface Connection {
  readonly database: Database;
  readonly path: string;
  readonly statement: (sql: string) => Statement;
}

/** Runs `work` in one transaction: all of it is durable when this returns, or none of it happened. */
export function transaction({ path, statement }: Connection, work: () => void): void {
  attempt(path, () => {
    statement('BEGIN IMMEDIATE').run();
    try {
      work();
      statement('COMMIT').run();
    } catch (error) {
      try {
        statement('ROLLBACK').run();
      } catch {
        // SQLite has rolled back by itself, as it does when the disk is full.
      }
      throw error;
    }
  });
}

/** Runs `work`; what SQLite throws becomes DISK_FULL or STORE_FAILED. */
export function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof NoisefoldError) throw cause;
    throw storeError(path, cause);
  }
}

function storeError(path: string, cause: unknown): NoisefoldError {
  const code = resultCode(cause);
  if (code === resultCodes.full)
    return new NoisefoldError('DISK_FULL', 'the study database cannot grow', {
      where: path,
      hint: 'Free some space and run the same command again: finished work is kept.',
      cause,
    });
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = code === resultCodes.notADatabase ? 'the file is not an SQLite database' : why;
  return new NoisefoldError('STORE_FAILED', message, { where: path, cause });
}

/** SQLite's primary result code: the low byte of the extended one. */
function resultCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

/** Held until it is closed or this process ends, however it ends. Throws STORE_LOCKED, STORE_FAILED. */
export function takeLock(path: string, what = 'another process is running this study'): { close(): void } {
  return attempt(path, () => {
    const lock = new (sqlite().DatabaseSync)(path);
    try {
      // Nothing is ever written, so there is nothing to roll back and no journal to leave behind.
      lock.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE');
      return lock;
    } catch (cause) {
      lock.close();
      if (resultCode(cause) !== resultCodes.busy) throw cause;
      throw new NoisefoldError('STORE_LOCKED', what, {
        where: path.replace(/\.lock$/, ''),
        hint: 'Wait for it, or stop it; its lock goes with it.',
        cause,
      });
    }
  });
}

function pragma(database: Database, name: 'user_version' | 'application_id'): number {
  const row = database.prepare(`PRAGMA ${name}`).get() as Record<string, unknown> | undefined;
  return Number(row?.[name]);
}

/** Refuses another program's database: what is not empty must bear our mark. */
function checkOwner(database: Database, path: string): void {
  const { tables } = database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() as { tables: number };
  if (tables > 0 && pragma(database, 'application_id') !== applicationId)
    throw new NoisefoldError('STORE_FAILED', 'the file is a database of another program', { where: path });
}

function versionOf(database: Database, path: string): number {
  const version = pragma(database, 'user_version');
  if (version <= migrations.length) return version;
  throw new NoisefoldError(
    'STORE_NEWER',
    `the study database has version ${version}, this noisefold knows ${migrations.length}`,
    {
      where: path,
      hint: 'Use the noisefold that wrote it, or a newer one.',
    },
  );
}

function migrate(database: Database, path: string): void {
  const version = versionOf(database, path);
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue;
    transaction({ database, path, statement: (text) => database.prepare(text) }, () => {
      if (typeof migration === 'string') database.exec(migration);
      else migration(database);
      if (database.prepare('PRAGMA foreign_key_check').all().length > 0)
        throw new NoisefoldError('STORE_FAILED', 'rows of the database do not fit each other', { where: path });
      database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${index + 1}`);
    });
  }
}
