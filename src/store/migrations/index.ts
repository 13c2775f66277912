import type { DatabaseSyncInstance as Database } from '@photostructure/sqlite';
import { sql as first } from './0001.ts';
import { sql as second } from './0002.ts';
import { migrate as third } from './0003.ts';

/** In order: the n-th brings a database from user_version n - 1 to n. A migration that was released is never changed. */
export const migrations: readonly (string | ((database: Database) => void))[] = [first, second, third];
