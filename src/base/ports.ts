/** Time and logging are handed in, so that everything below the command line can run under a test's clock. */

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Log {
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export const silentLog: Log = { log: () => {} };
