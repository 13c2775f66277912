/** What a coordinator is handed by the commands that run one: the real event loop, folders of studies, its identity. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StudyStores, Timers } from '../coordinator/types.ts';
import { openStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import { identityFile } from '../wire/messages.ts';
import { outputRefusal } from './output-folder.ts';

export const realTimers: Timers = {
  every(ms, callback) {
    const timer = setInterval(callback, ms);
    return () => clearInterval(timer);
  },
  // After the sockets' events that are due by now.
  endOfTurn: (callback) => void setImmediate(callback),
};

/** `folder/<study>/study.db` for each. */
export function folderStores(folder: string): StudyStores {
  const fileOf = (study: string): string => join(folder, study, 'study.db');
  mkdirSync(folder, { recursive: true });
  return {
    list: () => readdirSync(folder).filter((name) => existsSync(fileOf(name))),
    open(study) {
      try {
        mkdirSync(join(folder, study), { recursive: true });
      } catch (cause) {
        throw outputRefusal(join(folder, study), cause) ?? cause;
      }
      return openStore(fileOf(study));
    },
  };
}

/** The one study of a sweep, whose store is open already, and stays so when the coordinator closes it. */
export const oneStore = (name: string, store: Store): StudyStores => ({
  list: () => [name],
  open: () => ({ ...store, close: () => {} }),
});

/** The coordinator's identity, made at its first start; in the artifact folder, where a worker that sees the same folder finds it. */
export function identityIn(artifacts: string): string {
  const path = join(artifacts, identityFile);
  mkdirSync(artifacts, { recursive: true });
  try {
    writeFileSync(path, `${randomUUID()}\n`, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(path, 'utf8').trim();
}
