/**
 * Every way noisefold refuses or fails, in one table. A code never changes its meaning; docs/errors.md is checked against this table.
 *
 * exit 2: the input is wrong, and nothing was trained. exit 1: something failed while running. exit 75: stopped by a signal, resumable.
 * exit 78: bad configuration or key of a process (sysexits.h EX_CONFIG).
 */
export const errorCodes = {
  // config
  CONFIG_INVALID: { exit: 2, means: 'The configuration has one or more problems; every one is listed with file:line:column.' },
  CONFIG_NOT_FOUND: { exit: 2, means: 'The configuration file does not exist or cannot be read.' },
  CONFIG_CHANGED: { exit: 2, means: 'The study on disk was started with another configuration.' },
  // dataset
  DATA_NOT_FOUND: { exit: 2, means: 'A data file does not exist or cannot be read.' },
  DATA_EMPTY: { exit: 2, means: 'A data file has no rows.' },
  DATA_FORMAT: {
    exit: 2,
    means: 'A data file is not readable as CSV or Parquet (wrong delimiter, broken compression, duplicate header).',
  },
  DATA_RAGGED_ROW: { exit: 2, means: 'A CSV row has more or fewer fields than the header.' },
  DATA_UNKNOWN_COLUMN: { exit: 2, means: 'The configuration or the command line names a column that the data does not have.' },
  DATA_MISSING_COLUMN: { exit: 2, means: 'A data set lacks a column that the preprocessor was fitted on.' },
  DATA_ALL_MISSING: { exit: 2, means: 'A column has no value at all.' },
  DATA_NOT_NUMERIC: { exit: 2, means: 'A column used as numerical holds text.' },
  DATA_NOT_FINITE: { exit: 2, means: 'A numerical column holds NaN or infinity.' },
  DATA_DUPLICATE_ID: { exit: 2, means: 'Two rows have the same id.' },
  DATA_TARGET: { exit: 2, means: 'The target cannot be used: one level only, missing, or not of the declared task.' },
  DATA_LEVELS: { exit: 2, means: 'A categorical column has too many levels, as an id or free text would.' },
  DATA_FOLDS: { exit: 2, means: 'The labelled rows (or groups) are fewer than the folds.' },
  DATA_MISMATCH: { exit: 2, means: 'A prepared data set is not the one that the plan was made for (hash mismatch).' },
  // model, engine, training
  MODEL_SHAPE: { exit: 2, means: 'The model sizes do not fit each other or the data.' },
  ENGINE_UNAVAILABLE: { exit: 2, means: 'The requested engine is not installed or does not run on this machine.' },
  ENGINE_UNSUPPORTED_KERNEL: { exit: 1, means: 'A tfjs kernel has no lowering to the compiled graph.' },
  ENGINE_FAILED: { exit: 1, means: 'The engine reported an error while running.' },
  TRAIN_DIVERGED: { exit: 1, means: 'The loss became NaN or infinite, or exploded.' },
  CHECKPOINT_CORRUPT: { exit: 1, means: 'A checkpoint file does not match its manifest.' },
  CHECKPOINT_MISMATCH: { exit: 2, means: 'A checkpoint belongs to another model, data set or version.' },
  RIDGE_SINGULAR: { exit: 1, means: 'The penalised Gram matrix is not positive definite.' },
  // artifacts, store, wire
  ARTIFACT_NOT_FOUND: { exit: 1, means: 'An artifact named by hash is not in the store.' },
  ARTIFACT_CORRUPT: { exit: 1, means: 'The bytes of an artifact do not match its hash.' },
  ARTIFACTS_UNAVAILABLE: {
    exit: 1,
    means:
      'The object store of the artifacts does not answer, or refuses the bucket or the credentials, or its client is not installed.',
  },
  OUTPUT_NOT_WRITABLE: { exit: 2, means: 'The folder or file for results cannot be made or written.' },
  DISK_FULL: { exit: 1, means: 'The disk is full; nothing finished is lost.' },
  STUDY_CANCELLED: { exit: 2, means: 'The study was cancelled, which is for good.' },
  STUDY_NOT_FOUND: { exit: 2, means: 'The coordinator has no study of that name.' },
  STORE_NEWER: { exit: 2, means: 'The study database was written by a newer noisefold.' },
  STORE_LOCKED: { exit: 2, means: 'Another process is running this study.' },
  STORE_FAILED: { exit: 1, means: 'The study database could not be read or written.' },
  WIRE_MALFORMED: { exit: 1, means: 'A message could not be decoded or is out of range.' },
  WIRE_ADDRESS: { exit: 78, means: 'An address to listen at or connect to is wrong, or taken.' },
  WIRE_UNREACHABLE: { exit: 1, means: 'No coordinator answers at the address.' },
  WIRE_KEY: { exit: 78, means: 'A key is missing, malformed or there already, or the other side does not accept it.' },
  WIRE_INSECURE: {
    exit: 78,
    means: 'A connection beyond this machine would be unencrypted, or one side is encrypted and the other is not.',
  },
  WIRE_VERSION: { exit: 78, means: 'Coordinator and worker speak different protocol versions.' },
  WORKER_LOST: { exit: 1, means: 'A worker process ended without saying goodbye.' },
  WORKER_REFUSED: { exit: 78, means: 'The coordinator refused this worker.' },
  TASK_CRASHED: { exit: 1, means: 'The process of a task ended unexpectedly.' },
  TASK_STALLED: { exit: 1, means: 'A task made no progress for too long, although its worker is alive.' },
  STUDY_FAILED: { exit: 1, means: 'No trial of the study finished.' },
  // command line
  USAGE: { exit: 2, means: 'The command line is wrong.' },
  INTERRUPTED: { exit: 75, means: 'Stopped by a signal after checkpointing; running the same command again resumes.' },
  INTERNAL: { exit: 1, means: 'A defect in noisefold.' },
} as const satisfies Record<string, { exit: number; means: string }>;

export type ErrorCode = keyof typeof errorCodes;

export interface ErrorDetails {
  /** Where it is: `file:line:column`, a column's name, a trial's id. */
  readonly where?: string;
  /** What the reader can do about it, as a sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The one error that noisefold throws on purpose: a stable code, what was wrong, where, and what to do. */
export class NoisefoldError extends Error {
  readonly code: ErrorCode;
  readonly where: string | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'NoisefoldError';
    this.code = code;
    this.where = details.where;
    this.hint = details.hint;
  }

  get exit(): number {
    return errorCodes[this.code].exit;
  }

  /** One paragraph for a terminal: `CODE where: message` and, indented, the hint. */
  format(): string {
    const head = `${this.code}${this.where === undefined ? '' : ` ${this.where}`}: ${this.message}`;
    return this.hint === undefined ? head : `${head}\n  ${this.hint}`;
  }
}

/** Turns anything thrown into a NoisefoldError; what is not one already is a defect, except a full disk. */
export function asNoisefoldError(thrown: unknown): NoisefoldError {
  if (thrown instanceof NoisefoldError) return thrown;
  if (thrown instanceof Error && (thrown as NodeJS.ErrnoException).code === 'ENOSPC') {
    const { path } = thrown as NodeJS.ErrnoException;
    return new NoisefoldError('DISK_FULL', 'no space is left on the disk', {
      ...(path === undefined ? {} : { where: path }),
      hint: 'Free some space and run the same command again: finished work is kept.',
      cause: thrown,
    });
  }
  return new NoisefoldError('INTERNAL', thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown), {
    cause: thrown,
  });
}
