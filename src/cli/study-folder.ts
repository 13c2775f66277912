/** A study's folder: where everything is, and how it is opened, new or to be resumed. */
import { join, relative, resolve } from 'node:path';
import type { ArtifactStore } from '../artifacts/store.ts';
import { fileArtifacts } from '../artifacts/files.ts';
import { canonicalJson } from '../base/json.ts';
import { configHash } from '../config/parse.ts';
import type { SweepConfig } from '../config/types.ts';
import { differenceOf } from '../coordinator/submit.ts';
import type { Prepared } from '../dataset/prepare.ts';
import { encodePrepared } from '../dataset/serialise.ts';
import { planStudy } from '../plan/plan.ts';
import type { Plan } from '../plan/types.ts';
import { openStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import { makeOutputFolder } from './output-folder.ts';
import { encodePreparedTable } from './prepared-table.ts';
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

export interface OpenStudy {
  readonly store: Store;
  readonly artifacts: ArtifactStore;
  readonly plan: Plan;
  /** Whether an earlier run of the same study is taken up again. */
  readonly resumed: boolean;
}

/**
 * Opens the study in its folder, or makes it; one that is there may be given more trials. Throws CONFIG_CHANGED when the folder holds another
 * study of that name, STORE_LOCKED, OUTPUT_NOT_WRITABLE, DISK_FULL.
 */
export async function openStudy(paths: StudyPaths, config: SweepConfig, prepared: Prepared, nowMs: number): Promise<OpenStudy> {
  const { data } = prepared;
  // Planned before the folder exists: a plan that cannot be made leaves nothing behind.
  const fresh = planStudy(config, { layout: data.layout, rows: data.inputs.rows });
  await makeOutputFolder(paths.folder);
  const artifacts = fileArtifacts(paths.artifacts);
  const store = openStore(paths.database);
  try {
    const known = store.study();
    const hash = configHash(config);
    const hint = `Give the new study another name (study: in the configuration), or remove ${shown(paths.folder)} to start it anew.`;
    const hashes = { configHash: hash, dataHash: data.hash };
    const difference = known && differenceOf(known, config, hashes, shown(paths.folder), hint);
    if (difference !== undefined) throw difference;
    if (!(await artifacts.has(data.hash))) await artifacts.put(encodePrepared(data));
    const table = await artifacts.put(encodePreparedTable(prepared));
    const row = { name: config.study, config: canonicalJson(config), ...hashes, data: [data.hash], table, version };
    if (known === undefined) store.create({ ...row, status: 'running', createdMs: nowMs }, fresh);
    else store.extend({ ...row, status: known.status, createdMs: known.createdMs }, fresh);
    return { store, artifacts, plan: store.plan(), resumed: known !== undefined };
  } catch (thrown) {
    store.close();
    throw thrown;
  }
}
