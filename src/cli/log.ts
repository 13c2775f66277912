/** Logs: JSON lines in a file, or readable lines on standard error (on winston). */
import { close, mkdirSync, openSync, write } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import winston from 'winston';
import type { Log } from '../base/ports.ts';

export interface ClosableLog extends Log {
  /** Resolves when everything logged is written. */
  close(): Promise<void>;
}

const [writeTo, closeFile] = [promisify(write), promisify(close)];

/**
 * Appends one JSON object a line: `timestamp`, `level`, `message`, and fields. Several processes may append to one file. Lines of one turn of the event loop are written
 * at once: a coordinator logs thousands a second. Those that a disk does not take are lost, and nothing else. Throws what opening the file throws.
 */
export function fileLog(filename: string, fields: Readonly<Record<string, string>> = {}): ClosableLog {
  mkdirSync(dirname(filename), { recursive: true });
  const file = openSync(filename, 'a');
  let waiting = '';
  let writing: Promise<void> | undefined;
  /** The file ends in half a line. */
  let torn = false;
  let closed = false;

  async function append(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    let written = 0;
    try {
      while (written < bytes.length) written += (await writeTo(file, bytes, written)).bytesWritten;
    } catch {
      // A full disk, say: there is nobody to be told but the log.
    }
    if (written > 0) torn = written < bytes.length;
  }

  async function writeWaiting(): Promise<void> {
    while (waiting !== '') {
      const lines = waiting;
      waiting = '';
      await append(torn ? `\n${lines}` : lines);
    }
    writing = undefined;
  }

  return {
    log(level, message, more = {}) {
      // Its descriptor may be another file's by now.
      if (closed || level === 'debug') return;
      waiting += `${JSON.stringify({ timestamp: new Date().toISOString(), ...fields, ...more, level, message })}\n`;
      writing ??= nextTurn().then(writeWaiting);
    },
    async close() {
      while (writing !== undefined) await writing;
      if (closed) return;
      closed = true;
      await closeFile(file);
    },
  };
}

/** Readable lines on standard error, with the same fields on each. */
export function stderrLog(fields: Readonly<Record<string, string>> = {}): ClosableLog {
  const { combine, timestamp, printf } = winston.format;
  const line = printf(({ timestamp: at, level, message, ...more }) => {
    const rest = Object.keys(more).length === 0 ? '' : ` ${JSON.stringify(more)}`;
    return `${String(at)} ${level} ${String(message)}${rest}`;
  });
  const transport = new winston.transports.Console({ stderrLevels: ['debug', 'info', 'warn', 'error'] });
  const logger = winston.createLogger({ defaultMeta: fields, format: combine(timestamp(), line), transports: [transport] });
  return {
    log: (level, message, more = {}) => void logger.log({ ...more, level, message }),
    async close() {
      // winston ends before it has handed on all lines, where they come faster than they go.
      while (logger.readableLength + logger.writableLength > 0) await sleep(1);
      await new Promise<void>((resolve) => {
        logger.on('finish', () => resolve());
        logger.end();
      });
    },
  };
}
