/** The folder of `noisefold train`: whose training it holds, and where each of its tasks stands. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileArtifacts } from '../artifacts/files.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { NoisefoldError } from '../base/errors.ts';
import { hashOf } from '../base/hash.ts';
import { canonicalJson } from '../base/json.ts';
import { writeFileDurably } from '../checkpoint/files.ts';
import { changesOf } from '../config/changes.ts';
import { engineNames, type EngineName, type SweepConfig, type TrialConfig } from '../config/types.ts';
import type { TaskFold } from '../plan/types.ts';
import { makeOutputFolder } from './output-folder.ts';
import { version } from './version.ts';
import type { Versions } from './versions.ts';

export interface Trained {
  readonly config: SweepConfig;
  readonly trial: TrialConfig;
  /** Hash of the study's data. */
  readonly data: string;
  /** The name of what trains; engines agree to rounding only. */
  readonly engine: string;
}

/** Where a task of the training stands. */
export interface Course {
  /** Where an earlier run of the same training stopped. */
  readonly resume: { readonly hash: string; readonly step: number } | undefined;
  /** The checkpoint becomes the one to resume from; the one before is deleted. */
  checkpointed(hash: string, step: number): void;
  /** Resolves when the last checkpoint is the one on disk. */
  settled(): Promise<void>;
  /** Of the last checkpoint. */
  step(): number | undefined;
}

export interface Run {
  readonly artifacts: ArtifactStore;
  /** Who began the training, where this goes on with it. */
  readonly begunBy: readonly Versions[];
  /** Where the files of a task go: the folder, or that of a fold. */
  folderOf(fold: TaskFold): string;
  courseOf(fold: TaskFold): Promise<Course>;
}

/** What run.json may hold besides. */
interface Known {
  readonly config?: TrialConfig;
  readonly engine?: string;
  readonly noisefold?: string;
}

const runFile = (folder: string): string => join(folder, 'run.json');

/** The engine of the training that the folder holds; undefined without one. */
export async function engineOfRun(folder: string): Promise<EngineName | undefined> {
  const known = (await readJson(runFile(folder))) as { readonly engine?: string } | undefined;
  return engineNames.find((name) => name === known?.engine);
}

/** The folder of a training run, new or to be resumed. Throws CONFIG_CHANGED if another training was started in it, OUTPUT_NOT_WRITABLE. */
export async function openRun(folder: string, { config, trial, data, engine }: Trained): Promise<Run> {
  await makeOutputFolder(folder);
  // How often checkpoints are written changes no number.
  const identity = {
    trial: hashOf({ ...trial, training: { ...trial.training, checkpointEveryEpochs: 0 } }),
    seed: config.seed,
    data,
  };
  const known = await readJson(runFile(folder));
  if (known !== undefined) {
    const was = known as Known & Partial<typeof identity>;
    const differing =
      was.data !== data
        ? 'other data'
        : was.seed !== config.seed
          ? 'another seed'
          : was.trial !== identity.trial
            ? 'another configuration'
            : (was.engine ?? engine) !== engine
              ? `the engine ${was.engine ?? ''}, not ${engine}`
              : undefined;
    const changes = changesOf({ seed: was.seed, ...was.config }, { seed: config.seed, ...trial }).filter(
      (change) => !change.startsWith('training.checkpointEveryEpochs'),
    );
    if (differing !== undefined)
      throw new NoisefoldError('CONFIG_CHANGED', [`this folder holds a training with ${differing}`, ...changes].join('\n  '), {
        where: folder,
        hint: `Choose another folder with --out, or remove ${folder} to start anew.`,
      });
  }
  const { node } = process.versions;
  if (known === undefined)
    await writeFileDurably(
      runFile(folder),
      `${canonicalJson({ ...identity, engine, config: trial, noisefold: version, node }, 2)}\n`,
    );
  const artifacts = fileArtifacts(join(folder, 'artifacts'));
  const folderOf = (fold: TaskFold): string => (fold === 'all' ? folder : join(folder, `fold-${fold}`));
  const { noisefold } = (known ?? {}) as Known;
  return {
    artifacts,
    begunBy: noisefold === undefined ? [] : [{ noisefold }],
    folderOf,
    async courseOf(fold) {
      await mkdir(folderOf(fold), { recursive: true });
      return openCourse(join(folderOf(fold), 'checkpoint.json'), artifacts);
    },
  };
}

async function openCourse(pointer: string, artifacts: ArtifactStore): Promise<Course> {
  const resume = (await readJson(pointer)) as Course['resume'];
  let current = resume;
  let writing = Promise.resolve();
  return {
    resume,
    checkpointed(hash, step) {
      const previous = current;
      current = { hash, step };
      const line = `${canonicalJson(current)}\n`;
      writing = writing.then(async () => {
        await writeFileDurably(pointer, line);
        if (previous !== undefined && previous.hash !== hash) await artifacts.delete(previous.hash);
      });
      // Reported by settled(); a rejection in between must not end the process.
      writing.catch(() => {});
    },
    settled: () => writing,
    step: () => current?.step,
  };
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((thrown: unknown) => {
    // Also below a file: who makes the folder says what is wrong with it.
    if (['ENOENT', 'ENOTDIR'].includes((thrown as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw thrown;
  });
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch (cause) {
    throw new NoisefoldError('CHECKPOINT_CORRUPT', 'the file is not JSON', { where: path, cause });
  }
}
