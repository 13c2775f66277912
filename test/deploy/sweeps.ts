/** What the tests of Docker and Slurm share: a small study, its ranking when nothing disturbs it, and a coordinator asked by its own client. */
import assert from 'node:assert/strict';
import { spawnSync, type SpawnSyncOptions } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TaskSummary } from '../../src/wire/messages.ts';
import { run, smallSweep, studyAt, writeDiamonds } from '../e2e/harness.ts';

export const study = 'small';

/** Two trials of more than half a minute, to be met in the middle (Slurm takes 20 s to preempt), with a checkpoint every half second or so. */
export const settings = ['search.trials=2', 'training.epochs=4000', 'training.checkpointEveryEpochs=50'].flatMap((value) => [
  '--set',
  value,
]);

/** The folder of the study, which others may read, and ranking.csv of a sweep on this machine that nothing disturbs. */
export async function undisturbed(folder: string): Promise<{ readonly study: string; readonly ranking: Buffer }> {
  const at = join(folder, 'study');
  mkdirSync(at);
  writeDiamonds(at);
  writeFileSync(join(at, 'sweep.yaml'), smallSweep);
  for (const path of [folder, at]) chmodSync(path, 0o755);
  await run(0, at, 'sweep', 'sweep.yaml', ...settings, '--set', `output=${folder}/undisturbed`, '--quiet');
  return { study: at, ranking: studyAt(folder, 'undisturbed', study).bytes('ranking.csv') };
}

/** Runs a command to its end; its standard output. Fails with what it said. */
export function command(program: string, args: readonly string[], options: SpawnSyncOptions = {}): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { maxBuffer: 2 ** 28, ...options, encoding: 'utf8' });
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${error?.message ?? ''}\n${stdout}\n${stderr}`);
  return stdout;
}

/** `noisefold ...args --json` against the coordinator. */
export type Client = (...args: readonly string[]) => string;

export const tasksOf = (client: Client): readonly TaskSummary[] =>
  (JSON.parse(client('status', study, '--tasks', '--json')) as { readonly tasks: readonly TaskSummary[] }).tasks;

/** Waits until a condition holds. Fails after three minutes with what was there. */
export async function eventually<T>(what: string, condition: () => T | undefined | false, inspect: () => string): Promise<T> {
  const limit = Date.now() + 180_000;
  for (;;) {
    const found = condition();
    if (found !== undefined && found !== false) return found;
    assert.ok(Date.now() < limit, `no ${what} within three minutes:\n${inspect()}`);
    await sleep(300);
  }
}

/** Training tasks in the middle: with a checkpoint that is not their last. */
export const inTheMiddle = (tasks: readonly TaskSummary[]): readonly TaskSummary[] =>
  tasks.filter(
    ({ status, checkpointStep, toStep }) => status === 'running' && checkpointStep !== undefined && checkpointStep < toStep,
  );
