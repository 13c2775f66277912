/** A study's folder: where everything is, and how it is opened, new or to be resumed. */
import { join, relative, resolve } from 'node:path';
import type { ArtifactStore } from '../artifacts/store.ts';
import { fileArtifacts } from '../artifacts/files.ts';
import { NoisefoldError } from '../base/errors.ts';
import { canonicalJson } from '../base/json.ts';
import { changesOf } from '../config/changes.ts';
import { mayGoOn } from '../config/engine.ts';
import { configHash, decisive } from '../config/parse.ts';
import type { EngineName, SweepConfig } from '../config/types.ts';
import type { Prepared } from '../dataset/prepare.ts';
import { dataArtifacts, dataHash, planData } from '../dataset/study-data.ts';
import { planStudy } from '../plan/plan.ts';
import type { Plan } from '../plan/types.ts';
import type { TaskState } from '../scheduler/types.ts';
import { openStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import { makeOutputFolder } from './output-folder.ts';
import { version } from './version.ts';

/** Absolute paths of all that a study writes. */
export interface StudyPaths {
  readonly folder: string;
  readonly database: string;
  readonly log: string;
  readonly artifacts: string;
  readonly best: string;
  readonly trial: (id: string) => string;
  readonly file: (name: string) => string;
}

export function studyPaths(output: string, study: string): StudyPaths {
  const folder = resolve(output, study);
  const file = (name: string): string => join(folder, name);
  return {
    folder,
    database: file('study.db'),
    log: file('log.jsonl'),
    artifacts: file('artifacts'),
    best: file('best'),
    trial: (id) => join(folder, 'trials', id),
    file,
  };
}

/** The shorter way to say where it is, from here. */
export function shown(path: string): string {
  const from = relative('.', path);
  return from !== '' && from.length < path.length ? from : path;
}

const changesIn = (was: SweepConfig, is: SweepConfig): readonly string[] => changesOf(decisive(was), decisive(is));

export interface OpenStudy {
  readonly store: Store;
  readonly artifacts: ArtifactStore;
  readonly plan: Plan;
  /** Whether an earlier run of the same study is taken up again. */
  readonly resumed: boolean;
}

/** The engine of a study is that of its first result. Throws CONFIG_CHANGED where another one is asked for. */
export function requireSameEngine(asked: EngineName, tasks: readonly Pick<TaskState, 'result'>[], folder: string): void {
  const ran = [
    ...new Set(tasks.flatMap(({ result }) => (result === undefined || result.engine === 'none' ? [] : [result.engine]))),
  ];
  if (mayGoOn(asked, ran)) return;
  throw new NoisefoldError('CONFIG_CHANGED', `the study has results of the engine ${ran.join(' and ')}, not of ${asked}`, {
    where: shown(folder),
    hint: `Go on with --engine ${ran[0] ?? asked}, or give the new study another name (study: in the configuration).`,
  });
}

/**
 * Opens the study in its folder, or makes it; one that is there may be given more trials. Throws CONFIG_CHANGED when the folder holds another
 * study of that name, STORE_LOCKED, OUTPUT_NOT_WRITABLE, DISK_FULL.
 */
export async function openStudy(paths: StudyPaths, config: SweepConfig, prepared: Prepared, nowMs: number): Promise<OpenStudy> {
  // Planned before the folder exists: a plan that cannot be made leaves nothing behind.
  const fresh = planStudy(config, planData(prepared));
  const dataset = dataHash(prepared);
  await makeOutputFolder(paths.folder);
  const artifacts = fileArtifacts(paths.artifacts);
  const store = openStore(paths.database);
  try {
    const known = store.study();
    const hash = configHash(config);
    if (known !== undefined && (known.configHash !== hash || known.dataHash !== dataset)) {
      const changes = known.configHash === hash ? [] : changesIn(JSON.parse(known.config) as SweepConfig, config);
      const what = known.configHash === hash ? 'other data (the tables have changed)' : 'another configuration';
      const message = [`the study ${config.study} was started with ${what}`, ...changes].join('\n  ');
      throw new NoisefoldError('CONFIG_CHANGED', message, {
        where: shown(paths.folder),
        hint: `Give the new study another name (study: in the configuration), or remove ${shown(paths.folder)} to start it anew.`,
      });
    }
    requireSameEngine(config.workers.engine, store.tasks(), paths.folder);
    for (const [address, bytes] of dataArtifacts(prepared)) if (!(await artifacts.has(address))) await artifacts.put(bytes());
    const row = { name: config.study, config: canonicalJson(config), configHash: hash, dataHash: dataset, version };
    if (known === undefined) store.create({ ...row, createdMs: nowMs }, fresh);
    else store.extend({ ...row, createdMs: known.createdMs }, fresh);
    return { store, artifacts, plan: store.plan(), resumed: known !== undefined };
  } catch (thrown) {
    store.close();
    throw thrown;
  }
}
