/** Logs on winston: JSON lines in a file, or readable lines on standard error. */
import { close, mkdirSync, openSync, write } from 'node:fs';
import { dirname } from 'node:path';
import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import winston from 'winston';
import type { Log } from '../base/ports.ts';

export interface ClosableLog extends Log {
  /** Resolves when everything logged is written. */
  close(): Promise<void>;
}

/** Appends one JSON object a line: `timestamp`, `level`, `message`, and fields. Several processes may append to one file. Throws what opening the file throws. */
export function fileLog(filename: string, fields: Readonly<Record<string, string>> = {}): ClosableLog {
  // A coordinator logs some thousand lines a second: winston's own JSON, which sorts keys, and a chain of formats take half as much again.
  const json = winston.format.printf((line) => JSON.stringify({ timestamp: new Date().toISOString(), ...line }));
  const file = appending(filename);
  const transports = [new winston.transports.Stream({ stream: file })];
  const log = wrap(winston.createLogger({ defaultMeta: fields, format: json, transports }));
  return {
    ...log,
    async close() {
      await log.close();
      file.end();
      await finished(file);
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
  return wrap(winston.createLogger({ defaultMeta: fields, format: combine(timestamp(), line), transports: [transport] }));
}

function wrap(logger: winston.Logger): ClosableLog {
  let closing: Promise<void> | undefined;
  async function end(): Promise<void> {
    // winston ends before it has handed on all lines, where they come faster than they go.
    while (logger.readableLength + logger.writableLength > 0) await sleep(1);
    await new Promise<void>((resolve) => {
      logger.on('finish', () => resolve());
      logger.end();
    });
  }
  return {
    log(level, message, fields = {}) {
      if (closing === undefined) logger.log({ ...fields, level, message });
    },
    close: () => (closing ??= end()),
  };
}

const [writeTo, closeFile] = [promisify(write), promisify(close)];

/**
 * A file that is appended to, what has come meanwhile at once. Lines that the disk does not take are lost, and nothing else: winston's own file is over with the first,
 * when space may be back in a minute.
 */
function appending(filename: string): Writable {
  mkdirSync(dirname(filename), { recursive: true });
  const file = openSync(filename, 'a');
  /** The file ends in half a line. */
  let torn = false;
  async function append(lines: readonly Buffer[]): Promise<void> {
    const bytes = Buffer.concat(torn ? [Buffer.from('\n'), ...lines] : lines);
    let written = 0;
    try {
      while (written < bytes.length) written += (await writeTo(file, bytes, written)).bytesWritten;
    } catch {
      // There is nobody to be told but the log.
    }
    if (written > 0) torn = written < bytes.length;
  }
  return new Writable({
    write: (line: Buffer, _encoding, done) => void append([line]).then(() => done()),
    writev: (chunks, done) => void append(chunks.map(({ chunk }) => chunk as Buffer)).then(() => done()),
    final: (done) => void closeFile(file).then(() => done(), done),
  });
}
