/** What else the machine did: whether figures are of a quiet one. By Linux's /proc; elsewhere nothing is known, and nothing is said. */
import { readdirSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Linux counts core time in hundredths of a second, on every machine of today. */
const tickMs = 10;

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** Core milliseconds since the start of the machine, of all processes, and what its host took away; undefined where nothing counts them. */
export function machineCoreMs(): number | undefined {
  const line = /^cpu +(.*)$/m.exec(read('/proc/stat'))?.[1];
  if (line === undefined) return undefined;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(' ').map(Number);
  return (user + nice + system + irq + softirq + steal) * tickMs;
}

/** Names and shares of a core of the processes, this one left out, that use a tenth of one or more in the second to come. */
export async function busyProcesses(): Promise<string[]> {
  const before = ticksByProcess();
  await sleep(1000);
  return [...ticksByProcess()].flatMap(([process_, ticks]) => {
    const share = ((ticks - (before.get(process_) ?? 0)) * tickMs) / 1000;
    return share >= 0.1 && !process_.startsWith(`${process.pid} `) ? [`${process_} ${share.toFixed(2)}`] : [];
  });
}

function ticksByProcess(): Map<string, number> {
  let pids: string[] = [];
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    // No /proc.
  }
  return new Map(
    pids.flatMap((pid) => {
      const found = /^\d+ \((.*)\) (.*)$/s.exec(read(`/proc/${pid}/stat`));
      if (found === null) return [];
      const [, name = '', rest = ''] = found;
      const fields = rest.split(' ').map(Number);
      return [[`${pid} ${name}`, (fields[11] ?? 0) + (fields[12] ?? 0)] as const];
    }),
  );
}

/** Prints the load and who else is busy. @param when such as "before" */
export async function printQuiet(when: string): Promise<void> {
  const busy = await busyProcesses();
  console.log(`${when}: load ${loadavg()[0]?.toFixed(2) ?? '?'}, busy processes (cores): ${busy.join(', ') || 'none'}`);
}
