/** A study's folder: where everything is, and how it is opened, new or to be resumed. */
import { join, relative, resolve } from 'node:path';
import type { ArtifactStore } from '../artifacts/store.ts';
import { fileArtifacts } from '../artifacts/files.ts';
import { sha256 } from '../base/hash.ts';
import { canonicalJson } from '../base/json.ts';
import { engineOf } from '../config/engine.ts';
import { configHash } from '../config/parse.ts';
import { engineNames, type EngineName, type SweepConfig } from '../config/types.ts';
import { NoisefoldError } from '../base/errors.ts';
import { differenceOf } from '../coordinator/submit.ts';
import type { Prepared } from '../dataset/prepare.ts';
import { dataArtifacts, dataHash, planData } from '../dataset/study-data.ts';
import { encodePrepared } from '../dataset/serialise.ts';
import { planStudy } from '../plan/plan.ts';
import type { Plan } from '../plan/types.ts';
import { isOver } from '../scheduler/transitions.ts';
import type { TaskState } from '../scheduler/types.ts';
import { openStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import { makeOutputFolder } from './output-folder.ts';
import { encodePreparedTable } from './prepared-table.ts';
import { version } from './version.ts';
import { keepVersions, type Versions } from './versions.ts';

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
  /** What its tasks are trained with. */
  readonly engine: EngineName;
  /** Whether an earlier run of the same study is taken up again. */
  readonly resumed: boolean;
  /** Who ran it before, as versions.json tells. */
  readonly ranBefore: readonly Versions[];
}

/** What a study is made of, apart from its name and configuration: what its row names, and the blobs. */
export interface StudyContents {
  readonly plan: Plan;
  readonly dataHash: string;
  /** Hashes of the prepared data: of all rows first, then (protocol inductive) of each fold. */
  readonly data: readonly string[];
  /** Hash of the prepared table. */
  readonly table: string;
  /** The bytes of each blob by its hash; made when they are asked for. */
  readonly blobs: ReadonlyMap<string, () => Uint8Array>;
}

/** Throws what planStudy throws. */
export function studyContents(config: SweepConfig, prepared: Prepared): StudyContents {
  const { data, folds = [] } = prepared;
  const table = encodePreparedTable(prepared);
  const hash = sha256(table);
  return {
    plan: planStudy(config, planData(prepared)),
    dataHash: dataHash(prepared),
    data: [data.hash, ...folds.map((fold) => fold.data.hash)],
    table: hash,
    blobs: new Map([[data.hash, () => encodePrepared(data)], ...dataArtifacts(prepared), [hash, () => table]]),
  };
}

/** The engine that the study goes on with. Throws CONFIG_CHANGED where it has results of another one than is asked for by name, and something is left to do. */
export function engineOfStudy(asked: EngineName, tasks: readonly TaskState[], folder: string): EngineName {
  const ran = new Set(tasks.flatMap(({ result }) => (result === undefined || result.engine === 'none' ? [] : [result.engine])));
  const known = engineNames.filter((name) => ran.has(name));
  const engine = engineOf(asked, known);
  if (engine !== undefined || tasks.every(isOver)) return engine ?? asked;
  const [first = asked] = known;
  throw new NoisefoldError('CONFIG_CHANGED', `the study has results of the engine ${known.join(' and ')}, not of ${asked}`, {
    where: shown(folder),
    hint: `Go on without --engine, or with --engine ${first}; or give the new study another name (study: in the configuration).`,
  });
}

/**
 * Opens the study in its folder, or makes it; one that is there may be given more trials. Throws CONFIG_CHANGED when the folder holds another
 * study of that name, STORE_LOCKED, OUTPUT_NOT_WRITABLE, DISK_FULL.
 */
export async function openStudy(paths: StudyPaths, config: SweepConfig, prepared: Prepared, nowMs: number): Promise<OpenStudy> {
  // Planned before the folder exists: a plan that cannot be made leaves nothing behind.
  const { plan, blobs, ...contents } = studyContents(config, prepared);
  await makeOutputFolder(paths.folder);
  const artifacts = fileArtifacts(paths.artifacts);
  const store = openStore(paths.database);
  try {
    const known = store.study();
    const hashes = { configHash: configHash(config), dataHash: contents.dataHash };
    const hint = `Give the new study another name (study: in the configuration), or remove ${shown(paths.folder)} to start it anew.`;
    const difference = known && differenceOf(known, config, hashes, shown(paths.folder), hint);
    if (difference !== undefined) throw difference;
    const engine = engineOfStudy(config.workers.engine, store.tasks(), paths.folder);
    for (const [hash, bytes] of blobs) if (!(await artifacts.has(hash))) await artifacts.put(bytes());
    const row = { name: config.study, config: canonicalJson(config), ...hashes, ...contents, version };
    if (known === undefined) store.create({ ...row, status: 'running', createdMs: nowMs }, plan);
    else store.extend({ ...row, status: known.status, createdMs: known.createdMs }, plan);
    // Nothing is run of a study that is over.
    const ranBefore = store.tasks().every(isOver) ? [] : await keepVersions(paths.file('versions.json'), known?.version);
    return { store, artifacts, plan: store.plan(), engine, resumed: known !== undefined, ranBefore };
  } catch (thrown) {
    store.close();
    throw thrown;
  }
}
