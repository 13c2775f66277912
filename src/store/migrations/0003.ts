/**
 * Results have a table of their own, so that a task's row stays short: it is written thirteen times, and all rows are read at a start. The row keeps a summary.
 */
import { summaryOf } from '../../scheduler/result-summary.ts';
import type { TaskResult } from '../../train/types.ts';
import type { DatabaseSyncInstance as Database } from '@photostructure/sqlite';
import { fromJson, toJson } from '../rows.ts';

export function migrate(database: Database): void {
  database.exec(`
CREATE TABLE results (
  position INTEGER PRIMARY KEY REFERENCES tasks (position),
  result TEXT NOT NULL -- JSON
) STRICT;
INSERT INTO results SELECT position, result FROM tasks WHERE result IS NOT NULL;
ALTER TABLE tasks DROP COLUMN result;
ALTER TABLE tasks ADD COLUMN summary TEXT; -- of the result, JSON
`);
  const result = database.prepare('SELECT result FROM results WHERE position = ?');
  const update = database.prepare('UPDATE tasks SET summary = ? WHERE position = ?');
  for (const { position } of database.prepare('SELECT position FROM results').all() as { position: number }[]) {
    const row = result.get(position) as { result: string };
    update.run(toJson(summaryOf(fromJson(row.result) as TaskResult)), position);
  }
}
