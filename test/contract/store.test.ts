import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryStore } from '../../src/store/memory.ts';
import { openStore } from '../../src/store/sqlite.ts';
import { storeContract } from './store.ts';

storeContract('memory', () => {
  const store = memoryStore();
  return { store, reopen: () => store, restore: memoryStore, dispose: () => {} };
});

storeContract('SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'noisefold-store-'));
  const path = join(folder, 'study.db');
  let store = openStore(path);
  return {
    store,
    reopen() {
      store.close();
      return (store = openStore(path));
    },
    restore(snapshot) {
      const copy = join(folder, 'copy.db');
      writeFileSync(copy, snapshot);
      return openStore(copy);
    },
    dispose() {
      store.close();
      rmSync(folder, { recursive: true });
    },
  };
});
