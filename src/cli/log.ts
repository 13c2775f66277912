/** Logs on winston: JSON lines in a file, or readable lines on standard error. */
import { setTimeout as sleep } from 'node:timers/promises';
import winston from 'winston';
import type { Log } from '../base/ports.ts';

export interface ClosableLog extends Log {
  /** Resolves when everything logged is written. */
  close(): Promise<void>;
}

function wrap(logger: winston.Logger): ClosableLog {
  return {
    log: (level, message, fields = {}) => void logger.log({ ...fields, level, message }),
    async close() {
      // winston ends its files before it has handed them all lines, where a file is slower than they come; then those lines are an error.
      while (logger.readableLength + logger.writableLength > 0) await sleep(1);
      await new Promise<void>((resolve) => {
        logger.on('finish', () => resolve());
        logger.end();
      });
    },
  };
}

/** Appends one JSON object a line: `timestamp`, `level`, `message`, and fields. Several processes may append to one file. */
export function fileLog(filename: string, fields: Readonly<Record<string, string>> = {}): ClosableLog {
  const { combine, timestamp, json } = winston.format;
  const transport = new winston.transports.File({ filename, options: { flags: 'a' } });
  return wrap(winston.createLogger({ defaultMeta: fields, format: combine(timestamp(), json()), transports: [transport] }));
}

/** Readable lines on standard error, with the same fields on each. */
export function stderrLog(fields: Readonly<Record<string, string>> = {}): ClosableLog {
  const { combine, timestamp, printf } = winston.format;
  const line = printf(({ timestamp: at, level, message, ...more }) => {
    const rest = Object.keys(more).length === 0 ? '' : ` ${JSON.stringify(more)}`;
    return `${String(at)} ${level} ${String(message)}${rest}`;
  });
  const transport = new winston.transports.Console({ stderrLevels: ['debug', 'info', 'warn', 'error'] });
  return wrap(winston.createLogger({ defaultMeta: fields, format: combine(timestamp(), line), transports: [transport] }));
}
