/**
 * Studies have a status with its story, the blobs of their data and of the prepared table; tasks know on which workers they failed, and may be dropped.
 * SQLite cannot change a CHECK, so the tasks are copied. A study of the first schema whose tasks were all final is finished.
 */
export const sql = `
ALTER TABLE study ADD COLUMN data TEXT NOT NULL DEFAULT '[]'; -- hashes, JSON
ALTER TABLE study ADD COLUMN table_hash TEXT NOT NULL DEFAULT ''; -- '': made before there was one
ALTER TABLE study ADD COLUMN status TEXT NOT NULL DEFAULT 'running'
  CHECK (status IN ('running', 'pausing', 'paused', 'finished', 'cancelled'));
UPDATE study SET data = json_array(data_hash);
UPDATE study SET status = 'finished' WHERE NOT EXISTS (SELECT 1 FROM tasks WHERE status NOT IN ('done', 'failed'));

CREATE TABLE tasks_2 (
  position INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  trial TEXT NOT NULL REFERENCES trials (id),
  fold INTEGER, -- NULL: none is left out
  rung INTEGER NOT NULL,
  from_step INTEGER NOT NULL,
  to_step INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'leased', 'running', 'done', 'failed', 'dropped')),
  attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  failed_on TEXT NOT NULL DEFAULT '[]', -- names of workers, JSON
  losses INTEGER NOT NULL,
  not_before_ms REAL NOT NULL,
  checkpoint_hash TEXT,
  checkpoint_step INTEGER,
  error_code TEXT,
  error_message TEXT,
  error_retryable INTEGER,
  result TEXT,
  CHECK ((checkpoint_hash IS NULL) = (checkpoint_step IS NULL)),
  CHECK ((error_code IS NULL) = (error_message IS NULL) AND (error_code IS NULL) = (error_retryable IS NULL))
) STRICT;
INSERT INTO tasks_2 SELECT position, id, trial, fold, rung, from_step, to_step, status, attempt, failures, '[]', losses, not_before_ms,
  checkpoint_hash, checkpoint_step, error_code, error_message, error_retryable, result FROM tasks;
DROP TABLE tasks;
ALTER TABLE tasks_2 RENAME TO tasks;

CREATE TABLE study_transitions (
  id INTEGER PRIMARY KEY,
  at_ms REAL NOT NULL,
  from_status TEXT NOT NULL,
  to_status TEXT NOT NULL,
  cause TEXT NOT NULL
) STRICT;
`;
