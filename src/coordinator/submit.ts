/** A client's submission: checked as if it came from a stranger, then written, once: the same again is accepted, and more trials extend the study. */
import { asNoisefoldError, NoisefoldError } from '../base/errors.ts';
import { canonicalJson } from '../base/json.ts';
import { changesOf } from '../config/changes.ts';
import { configHash, decisive, parseSweep } from '../config/parse.ts';
import type { SweepConfig } from '../config/types.ts';
import { rungsOf } from '../plan/rungs.ts';
import type { Plan } from '../plan/types.ts';
import type { StudyRow } from '../store/store.ts';
import type { ClientRequest } from '../wire/messages.ts';
import { taskSpec } from '../wire/task-schema.ts';
import { openStudyOf, specsOf, type Studies } from './studies.ts';

type Submission = Extract<ClientRequest, { type: 'submit' }>;

/**
 * What differs between the study that is there and one that is to be: a CONFIG_CHANGED error; undefined where the one may go on as the other.
 * @param where the study's folder, for a person
 */
export function differenceOf(
  known: Pick<StudyRow, 'config' | 'configHash' | 'dataHash'>,
  config: SweepConfig,
  hashes: { readonly configHash: string; readonly dataHash: string },
  where: string,
  hint: string,
): NoisefoldError | undefined {
  const was = known.configHash === hashes.configHash ? config : withDefaults(known.config);
  const same = configHash(was) === hashes.configHash;
  if (same && known.dataHash === hashes.dataHash) return undefined;
  const changes = same ? [] : changesOf(decisive(was), decisive(config));
  const what = same ? 'other data (the tables have changed)' : 'another configuration';
  const message = [`the study ${config.study} was started with ${what}`, ...changes].join('\n  ');
  return new NoisefoldError('CONFIG_CHANGED', message, { where, hint });
}

/** A configuration as an earlier noisefold wrote it: keys that came later mean what they mean when they are left out. */
function withDefaults(json: string): SweepConfig {
  try {
    return parseSweep(json, 'the study');
  } catch {
    return JSON.parse(json) as SweepConfig;
  }
}

/** Throws CONFIG_INVALID with what is wrong. */
export function checkedSubmission(submission: Submission): { readonly config: SweepConfig; readonly plan: Plan } {
  const config = parseSweep(submission.config, 'the submitted configuration');
  const hash = configHash(config);
  if (hash !== submission.configHash)
    throw new NoisefoldError('CONFIG_INVALID', 'the configuration is not the one of its hash', {
      where: config.study,
      hint: 'Client and coordinator are to be of the same version of noisefold.',
    });
  return { config, plan: checkedPlan(submission, config) };
}

function checkedPlan({ plan: json, data }: Submission, config: SweepConfig): Plan {
  const refuse = (what: string): NoisefoldError =>
    new NoisefoldError('CONFIG_INVALID', `the submitted plan is wrong: ${what}`, { where: config.study });
  let plan: Plan;
  try {
    plan = JSON.parse(json) as Plan;
    const ids = new Set<string>();
    for (const { id } of [...plan.trials, ...plan.tasks]) {
      if (!/^[A-Za-z0-9_][A-Za-z0-9._/-]*$/.test(id) || id.includes('..')) throw refuse(`"${id}" is no id`);
      if (ids.has(id)) throw refuse(`${id} is there twice`);
      ids.add(id);
    }
    const first = rungsOf(config)?.epochs[0];
    for (const { id, rung, fromStep, toStep } of plan.tasks) {
      // Rungs add the others, in whole epochs.
      if (rung !== 0 || fromStep !== 0 || toStep % (first ?? 1) !== 0) throw refuse(`${id} is not of the first rung`);
    }
    const planned = new Set(plan.tasks.map(({ trial }) => trial));
    for (const { id, untrained } of plan.trials) {
      if (id.includes('/') || !planned.has(id)) throw refuse(`${id} has no task`);
      if (untrained !== undefined && !ids.has(untrained)) throw refuse(`${id} has no baseline ${untrained}`);
    }
    const specOf = specsOf({ name: config.study, data }, config, plan);
    for (const task of plan.tasks) {
      const { id } = task;
      const parsed = taskSpec.safeParse(specOf(task));
      const [issue] = parsed.error?.issues ?? [];
      if (issue !== undefined) throw refuse(`${id}: ${issue.path.join('.')} ${issue.message}`);
    }
  } catch (thrown) {
    const error = asNoisefoldError(thrown);
    throw error.code === 'CONFIG_INVALID' ? error : refuse(error.message.split('\n')[0] ?? '');
  }
  if (plan.tasks.length === 0) throw refuse('it has no tasks');
  return plan;
}

/** Writes the study, or what it has not yet. Throws CONFIG_CHANGED, and what the store throws. */
export function admit(
  studies: Studies,
  submission: Submission,
  { config, plan }: { readonly config: SweepConfig; readonly plan: Plan },
  nowMs: number,
): { readonly study: string; readonly existed: boolean } {
  const { study: name } = config;
  const broken = studies.broken.get(name);
  if (broken !== undefined) throw broken;
  const open = studies.open.get(name);
  const store = open?.store ?? studies.openStore(name);
  try {
    const known = open?.row ?? store.study();
    const hint = `Give the new study another name (study: in the configuration).`;
    const difference = known && differenceOf(known, config, submission, name, hint);
    if (difference !== undefined) throw difference;
    const { configHash, dataHash, data, table, version } = submission;
    const row: StudyRow = {
      ...{ name, config: canonicalJson(config), configHash, dataHash, data, table, version },
      status: known?.status ?? 'running',
      createdMs: known?.createdMs ?? nowMs,
    };
    if (known === undefined) store.create(row, plan);
    else if (!isSame(known, row) || plan.tasks.length > (open?.plan.tasks.length ?? 0)) store.extend(row, plan);
    const now = openStudyOf(store);
    if (now !== undefined) studies.put(now);
    return { study: name, existed: known !== undefined };
  } catch (thrown) {
    if (open === undefined) store.close();
    throw thrown;
  }
}

const isSame = (known: StudyRow, row: StudyRow): boolean =>
  known.config === row.config && known.table === row.table && known.data.join() === row.data.join();
