/** What is true of every state. Tests check it after every step; the returned sentences name what is broken. */
import { isFinal, isHeld } from './transitions.ts';
import type { State } from './types.ts';

export function violations(state: State): string[] {
  const broken: string[] = [];
  const holders = new Map<string, string>();
  for (const [id, task] of state.tasks) {
    if (isHeld(task.status) !== (task.leaseUntil !== undefined))
      broken.push(`${id}: ${task.status} with lease ${String(task.leaseUntil)}`);
    if (isHeld(task.status) && task.attempt < 1) broken.push(`${id}: ${task.status} without an attempt`);
    if ((task.status === 'done') !== (task.result !== undefined))
      broken.push(`${id}: ${task.status}, result ${task.result === undefined ? 'missing' : 'present'}`);
    if (task.status === 'failed' && task.error === undefined) broken.push(`${id}: failed without an error`);
    if (task.status === 'done' && task.checkpoint?.hash !== task.result?.checkpoint)
      broken.push(`${id}: done, but its checkpoint is not its result's`);
    if (!isHeld(task.status) || task.worker === undefined) continue;
    const other = holders.get(task.worker);
    if (other !== undefined) broken.push(`worker ${task.worker} holds ${other} and ${id}`);
    holders.set(task.worker, id);
  }
  for (const [id, worker] of state.workers) {
    const held = holders.get(id);
    if (held !== undefined && worker.task !== held)
      broken.push(`worker ${id} holds ${held} but is noted for ${String(worker.task)}`);
  }
  const all = [...state.tasks.values()];
  if (state.phase === 'finished' && !all.every((task) => isFinal(task.status))) broken.push('finished with unfinished tasks');
  if (state.phase === 'stopped' && all.some((task) => isHeld(task.status))) broken.push('stopped with held tasks');
  return broken;
}
