/** The first schema: a study with its trials and tasks, and the story of every task. Opaque values are JSON; the rest is columns. */
export const sql = `
CREATE TABLE study (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  name TEXT NOT NULL,
  config TEXT NOT NULL,
  config_hash TEXT NOT NULL,
  data_hash TEXT NOT NULL,
  created_ms REAL NOT NULL,
  version TEXT NOT NULL
) STRICT;

CREATE TABLE trials (
  position INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  parameters TEXT NOT NULL,
  config TEXT NOT NULL,
  untrained TEXT
) STRICT;

CREATE TABLE tasks (
  position INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  trial TEXT NOT NULL REFERENCES trials (id),
  fold INTEGER, -- NULL: none is left out
  rung INTEGER NOT NULL,
  from_step INTEGER NOT NULL,
  to_step INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'leased', 'running', 'done', 'failed')),
  attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL,
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

CREATE TABLE transitions (
  id INTEGER PRIMARY KEY,
  at_ms REAL NOT NULL,
  task TEXT NOT NULL REFERENCES tasks (id),
  attempt INTEGER NOT NULL,
  from_status TEXT NOT NULL,
  to_status TEXT NOT NULL,
  worker TEXT,
  cause TEXT NOT NULL
) STRICT;

CREATE INDEX transitions_by_task ON transitions (task);
`;
