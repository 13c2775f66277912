/**
 * The coordinator's disk, which outlives its processes: the rows of each study, and blobs. An operation takes time, and a process may die before, within or after
 * it. Disks fill up, lose the unsynced end of a half-arrived blob, and flip bits.
 */
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { NoisefoldError } from '../../src/base/errors.ts';
import { sha256 } from '../../src/base/hash.ts';
import type { StudyStores } from '../../src/coordinator/types.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import { never, type Process, type Random, type World } from './world.ts';

export interface Disk {
  full: boolean;
  /** The next commit fails as of a broken device. */
  breaksNext: boolean;
  readonly rows: ReadonlyMap<string, Store>;
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  /** Those that bits were flipped in. */
  readonly damaged: ReadonlySet<string>;
  stores(process: Process): StudyStores;
  artifacts(process: Process): ArtifactStore;
  damage(hash: string): void;
  /** A blob is gone. */
  lose(hash: string): void;
  /** Those that are gone and not written again. */
  readonly lost: ReadonlySet<string>;
  /** What a crash of the machine does to what was not synced. */
  tear(random: Random): void;
}

export function createDisk(world: World, random: Random, onCommit: (study: string) => void): Disk {
  const rows = new Map<string, Store>();
  const blobs = new Map<string, Uint8Array>();
  const parts = new Map<string, Uint8Array>();
  const damaged = new Set<string>();
  const lost = new Set<string>();
  const fullError = (): NoisefoldError => new NoisefoldError('DISK_FULL', 'no space left on the simulated disk');
  const missing = (hash: string): NoisefoldError => new NoisefoldError('ARTIFACT_NOT_FOUND', `there is no artifact ${hash}`);

  function write(hash: string, bytes: Uint8Array): void {
    blobs.set(hash, bytes.slice());
    damaged.delete(hash);
    lost.delete(hash);
  }

  function guardedStore(name: string, store: Store, process: Process): Store {
    const writing = (what: string, apply: () => void): void => {
      if (!world.acts(process, what)) return;
      if (disk.full) throw fullError();
      if (disk.breaksNext) {
        disk.breaksNext = false;
        throw new NoisefoldError('STORE_FAILED', 'the simulated device failed');
      }
      apply();
      onCommit(name);
      // It may die now, with the rows written and nothing sent.
      world.acts(process, `going on after ${what}`);
    };
    return {
      ...store,
      create: (row, plan) => writing('creating a study', () => store.create(row, plan)),
      extend: (row, plan) => writing('extending a study', () => store.extend(row, plan)),
      commit: (changes) =>
        writing('committing', () => {
          store.commit(changes);
          for (const { transition: line } of changes.tasks)
            world.say('   row', name, line.task, `#${line.attempt}`, line.from, '->', line.to, `(${line.cause})`);
          if (changes.study !== undefined) world.say('   row', name, changes.study.from, '->', changes.study.status);
        }),
    };
  }

  function artifacts(process: Process): ArtifactStore {
    /** One operation: some time, then its effect, all of it or none. */
    async function io<T>(what: string, operation: () => T, writes = false): Promise<T> {
      if (!world.acts(process, what)) return never();
      await world.sleep(random.whole(0, writes ? 12 : 3), process);
      if (!world.acts(process, `the end of ${what}`)) return never();
      if (writes && disk.full) throw fullError();
      return operation();
    }
    const get = (hash: string): Uint8Array => {
      const bytes = blobs.get(hash);
      if (bytes === undefined) throw missing(hash);
      return bytes;
    };
    return {
      put: (bytes) =>
        io(
          'writing a blob',
          () => {
            const hash = sha256(bytes);
            write(hash, bytes);
            return hash;
          },
          true,
        ),
      async upload(hash, total) {
        await io('opening an upload', () => undefined, true);
        const part = (): Uint8Array => parts.get(hash) ?? new Uint8Array(0);
        return {
          received: () => part().length,
          append: (bytes) =>
            io(
              'appending',
              () => {
                if (part().length + bytes.length > total) throw new RangeError('more than announced');
                parts.set(hash, Uint8Array.from([...part(), ...bytes]));
              },
              true,
            ),
          finish: () =>
            io(
              'finishing an upload',
              () => {
                const bytes = part();
                parts.delete(hash);
                if (bytes.length !== total || sha256(bytes) !== hash) throw new NoisefoldError('ARTIFACT_CORRUPT', 'other bytes');
                write(hash, bytes);
              },
              true,
            ),
          abandon: () => io('abandoning an upload', () => void parts.delete(hash)),
        };
      },
      get: (hash) =>
        io('reading a blob', () => {
          const bytes = get(hash);
          if (sha256(bytes) !== hash) throw new NoisefoldError('ARTIFACT_CORRUPT', 'bits flipped');
          return bytes.slice();
        }),
      read: (hash, offset, length) => io('reading a range', () => get(hash).slice(offset, offset + length)),
      size: (hash) => io('asking for a size', () => blobs.get(hash)?.length),
      has: (hash) => io('asking for a blob', () => blobs.has(hash)),
      verify: (hash) =>
        io('verifying a blob', () => {
          const bytes = blobs.get(hash);
          if (bytes === undefined) return 'missing';
          if (sha256(bytes) === hash) return 'good';
          disk.lose(hash);
          return 'corrupt';
        }),
      delete: (hash) =>
        io('deleting a blob', () => {
          world.say('   blob', hash.slice(0, 8), 'deleted');
          blobs.delete(hash);
        }),
      list: () => io('listing blobs', () => [...blobs.keys()].sort()),
    };
  }

  const disk: Disk = {
    full: false,
    breaksNext: false,
    rows,
    blobs,
    damaged,
    lost,
    stores: (process) => ({
      list: () => [...rows.keys()].sort(),
      open(study) {
        const store = rows.get(study) ?? memoryStore();
        rows.set(study, store);
        return guardedStore(study, store, process);
      },
    }),
    artifacts,
    damage(hash) {
      const bytes = blobs.get(hash)?.slice();
      if (bytes === undefined) return;
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      blobs.set(hash, bytes);
      damaged.add(hash);
    },
    lose(hash) {
      if (blobs.delete(hash)) lost.add(hash);
    },
    tear(draw) {
      for (const [hash, bytes] of parts) parts.set(hash, bytes.slice(0, draw.whole(0, bytes.length)));
    },
  };
  return disk;
}
