/** A process that does training steps when it is told to (step-process.ts, torch_step.py), as its bench sees it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { machineCoreMs } from './quiet.ts';
import type { Opened, Turn } from './step-process.ts';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export interface MeasuredTurn extends Turn {
  /** Cores that others used meanwhile, on average, those included that the machine's host took away; undefined where nothing counts them. */
  readonly others: number | undefined;
}

export interface StepProcess {
  /** Ready for batches of so many rows; a string is why it cannot be. After that it is ended. */
  open(rows: number, limitMs: number): Promise<Opened | string>;
  turn(atLeastMs: number): Promise<MeasuredTurn>;
  end(): Promise<void>;
}

export function startProcess({ program, args, environment }: Command): StepProcess {
  const child = spawn(program, [...args], { env: { ...process.env, ...environment }, stdio: 'pipe' });
  let said = '';
  child.stderr.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-20_000)));
  child.stdin.on('error', () => undefined);
  const ended = new Promise<undefined>((resolve) => {
    child.on('error', (error) => {
      said += error.message;
      resolve(undefined);
    });
    child.on('close', () => resolve(undefined));
  });
  const lines = createInterface({ input: child.stdout });
  /** The answer; undefined when the process has ended instead. */
  const ask = async <T>(line: string): Promise<T | undefined> => {
    const answer = (async (): Promise<T> => {
      for (;;) {
        const [text] = (await once(lines, 'line')) as [string];
        if (text.startsWith('{')) return JSON.parse(text) as T;
      }
    })();
    child.stdin.write(`${line}\n`);
    return Promise.race([answer, ended]);
  };
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  return {
    async open(rows, limitMs) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<'late'>((resolve) => (timer = setTimeout(() => resolve('late'), limitMs)));
      const opened = await Promise.race([ask<Opened>(`open ${rows}`), late]);
      clearTimeout(timer);
      if (opened !== undefined && opened !== 'late') return opened;
      await end();
      return opened === 'late' ? `not ready after ${limitMs / 1e3} s` : reason(said);
    },
    async turn(atLeastMs) {
      const [started, own, machine] = [performance.now(), process.cpuUsage(), machineCoreMs()];
      const turn = await ask<Turn>(`turn ${atLeastMs}`);
      if (turn === undefined) throw new Error(`${program} ${args.join(' ')} ended: ${reason(said)}`);
      const [wall, { user, system }, after] = [performance.now() - started, process.cpuUsage(own), machineCoreMs()];
      const ours = turn.turnCoreMs + (user + system) / 1e3;
      const others = machine === undefined || after === undefined ? undefined : Math.max(0, (after - machine - ours) / wall);
      return { ...turn, others };
    },
    end,
  };
}

/** The line that says it best, of what a process wrote before it ended. */
function reason(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  return (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? 'it ended').trim().slice(0, 160);
}
