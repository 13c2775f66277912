/**
 * `noisefold fetch`: brings a study from its coordinator into a folder of this machine, ranks what is done and, when the study is over, writes the best model,
 * its features and predictions, and the report, as a sweep does. None of the user's tables is needed: the coordinator has what was made of them.
 */
import { access, rm } from 'node:fs/promises';
import type { CommandModule } from 'yargs';
import { fileArtifacts } from '../../artifacts/files.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { NoisefoldError } from '../../base/errors.ts';
import { silentLog } from '../../base/ports.ts';
import { writeFileDurably } from '../../checkpoint/files.ts';
import type { SweepConfig } from '../../config/types.ts';
import { differenceOf } from '../../coordinator/submit.ts';
import type { Prepared } from '../../dataset/prepare.ts';
import { decodePrepared } from '../../dataset/serialise.ts';
import { rungsOf } from '../../plan/rungs.ts';
import type { Trial } from '../../plan/types.ts';
import type { ResultOf } from '../../rank/aggregate.ts';
import type { RankedTrial } from '../../rank/types.ts';
import { countsText } from '../../report/counts.ts';
import { fetchedLines } from '../../report/fetched.ts';
import { scoredTasks } from '../../scheduler/scores.ts';
import type { TaskState } from '../../scheduler/types.ts';
import { takeLock } from '../../store/database.ts';
import { openStore } from '../../store/sqlite.ts';
import type { Store, StudyRow } from '../../store/store.ts';
import type { TaskResult } from '../../train/types.ts';
import { commandAgain, terminalLog, type CommonArguments } from '../context.ts';
import { finishAndShow } from '../finish.ts';
import { makeOutputFolder } from '../output-folder.ts';
import { rankingOf, rungRowsOf, tasksByTrial, timingsOf, writeRanking, writeTrial } from '../outputs.ts';
import { decodePreparedTable } from '../prepared-table.ts';
import { shown, studyPaths, type StudyPaths } from '../study-folder.ts';
import { type Connection, type ConnectionArguments, printJson, withClient, withConnection } from './connection.ts';
import { waitFor } from './wait.ts';

interface FetchArguments extends ConnectionArguments {
  study: string;
  out: string;
  all: boolean;
  wait: boolean;
}

export const fetchCommand: CommandModule<CommonArguments, FetchArguments> = {
  command: 'fetch <study>',
  describe: 'Bring a study here: its ranking so far and, when it is over, the best model and the report',
  builder: (yargs) =>
    withConnection(yargs)
      .positional('study', { type: 'string', demandOption: true, describe: 'The name of the study' })
      .option('out', {
        type: 'string',
        alias: 'output',
        default: 'runs',
        describe: 'The folder that is to hold the study’s folder',
      })
      .option('wait', { type: 'boolean', default: false, describe: 'Wait for its end first, for scripts' })
      .option('all', { type: 'boolean', default: false, describe: 'The checkpoints of all trials, not of the best one alone' }),
  handler: (args) => withClient(args, (client) => fetchStudy(client, args)),
};

async function fetchStudy(client: Connection, args: FetchArguments): Promise<void> {
  const log = terminalLog(args);
  const note = (line: string): void => log.log('info', line);
  const paths = studyPaths(args.out, args.study);
  if (args.wait) await waitFor(client, args.study, note);
  const { study: summary } = await client.ask({ type: 'status', study: args.study }, 'study');
  const { hash } = await client.ask({ type: 'snapshot', study: args.study }, 'snapshot');
  const database = await client.blobs.get(hash);
  await makeOutputFolder(paths.folder);
  const lock = takeLock(`${paths.database}.lock`);
  try {
    await replaceDatabase(paths, database);
    const store = openStore(paths.database, { readonly: true });
    try {
      const row = rowOf(store, paths);
      const own = JSON.parse(row.config) as SweepConfig;
      // The study's device is no more this machine's than its workers'.
      const config: SweepConfig = { ...own, workers: { ...own.workers, device: 'auto' } };
      const artifacts = fileArtifacts(paths.artifacts);
      const bring = bringer(client, artifacts, args.study);
      const prepared = await decodePreparedTable(await bring(row.table), async (data) => decodePrepared(await bring(data)));
      const plan = store.plan();
      const tasks = new Map(store.tasks().map((task) => [task.task.id, task]));
      const resultOf = (task: string): TaskResult | undefined => store.result(task);
      const rungs = rungsOf(config);
      const ranking = rankingOf(plan, tasks, prepared.data.task, resultOf, rungs);
      const timings = timingsOf(tasks, store.transitions(), rungs);
      const rungRows = rungRowsOf(tasks, prepared.data.task, rungs);
      await writeRanking(paths, ranking, config.protocol, timings, rungRows);
      const wanted = args.all ? undefined : wantedTrials(ranking);
      for (const [trial, own] of tasksByTrial(tasks))
        for (const { checkpoint } of wanted?.has(trial) === false ? [] : scoredTasks(own))
          if (checkpoint !== undefined) await bring(checkpoint.hash).catch(unlessReleased(wanted, trial));
      await writeTrials(paths, plan.trials, tasks, prepared, config.seed, row.dataHash, artifacts, resultOf);
      if (args.json) printJson({ folder: paths.folder, status: summary.status, ranking });
      const { status } = row;
      const [folder, scored] = [shown(paths.folder), ranking.length];
      const counts = countsText(plan.trials, (trial) => ranking.some(({ id }) => id === trial));
      if (status !== 'finished') {
        const checkpoints = ranking.flatMap(({ id, checkpoint }) =>
          checkpoint !== undefined && (wanted?.has(id) ?? true) ? [id] : [],
        );
        const again = commandAgain();
        const earlier = await isThere(paths.file('report.md'));
        for (const line of fetchedLines({ folder, study: args.study, status, counts, scored, checkpoints, earlier, again }))
          note(line);
        return;
      }
      note(`${folder}: ${counts} are scored`);
      if (!ranking.some(({ kind }) => kind === 'trained'))
        throw new NoisefoldError('STUDY_FAILED', 'no trial was scored', {
          where: shown(paths.file('trials')),
          hint: `Each trial’s error.json says why; noisefold retry ${args.study} tries again.`,
        });
      if (args.json) note('best/ and report.md are written by fetch without --json');
      else {
        const study = { config, prepared, plan, artifacts, paths, tasks, resultOf, ranking, timings, rungs: rungRows };
        await finishAndShow({ ...study, quiet: args.quiet, log: silentLog });
      }
    } finally {
      store.close();
    }
  } finally {
    lock.close();
  }
}

/** What the best model and the learning curves need. */
function wantedTrials(ranking: readonly RankedTrial[]): ReadonlySet<string> {
  const best = ranking.find(({ kind }) => kind === 'trained');
  return new Set([best?.id, best?.untrained].filter((id) => id !== undefined));
}

/** With --all, what the study's policy has let go is left out; what is wanted must be there. */
const unlessReleased = (wanted: ReadonlySet<string> | undefined, trial: string) => (thrown: unknown) => {
  if (!(thrown instanceof NoisefoldError) || thrown.code !== 'ARTIFACT_NOT_FOUND') throw thrown;
  if (wanted === undefined) return;
  throw new NoisefoldError('ARTIFACT_NOT_FOUND', `the coordinator has lost the checkpoint of ${trial}; the ranking is here`, {
    hint: 'It is made again by itself within ten minutes, and at once by noisefold retry; then fetch once more.',
    cause: thrown,
  });
};

/** Fetches a blob, unless it is here. */
const bringer =
  ({ blobs }: Connection, artifacts: ArtifactStore, study: string) =>
  async (hash: string): Promise<Uint8Array> => {
    if ((await artifacts.verify(hash)) === 'good') return artifacts.get(hash);
    const bytes = await blobs.get(hash).catch((thrown: unknown) => {
      if (!(thrown instanceof NoisefoldError) || thrown.code !== 'ARTIFACT_CORRUPT') throw thrown;
      throw new NoisefoldError('ARTIFACT_CORRUPT', `the coordinator’s copy of ${hash} is damaged`, {
        hint: `noisefold retry ${study} has it made again; then fetch once more.`,
        cause: thrown,
      });
    });
    await artifacts.put(bytes);
    return bytes;
  };

/** Puts the copy in the place of what an earlier fetch left there. Throws CONFIG_CHANGED where the folder holds another study of that name. */
async function replaceDatabase(paths: StudyPaths, bytes: Uint8Array): Promise<void> {
  const incoming = `${paths.database}.incoming`;
  await writeFileDurably(incoming, bytes);
  const store = openStore(incoming, { readonly: true });
  const row = store.study();
  store.close();
  const known = await localRow(paths);
  if (known !== undefined && row !== undefined) {
    const hint = `Name another folder with --out, or remove ${shown(paths.folder)}.`;
    const difference = differenceOf(known, JSON.parse(row.config) as SweepConfig, row, shown(paths.folder), hint);
    if (difference !== undefined) {
      await rm(incoming, { force: true });
      throw difference;
    }
  }
  for (const suffix of ['-wal', '-shm']) await rm(paths.database + suffix, { force: true });
  await writeFileDurably(paths.database, bytes);
  for (const suffix of ['', '-wal', '-shm']) await rm(incoming + suffix, { force: true });
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

async function localRow({ database }: StudyPaths): Promise<StudyRow | undefined> {
  if (!(await isThere(database))) return undefined;
  const store = openStore(database, { readonly: true });
  try {
    return store.study();
  } finally {
    store.close();
  }
}

function rowOf(store: Store, { database }: StudyPaths): StudyRow {
  const row = store.study();
  if (row === undefined) throw new NoisefoldError('STORE_FAILED', 'the copy of the study holds none', { where: database });
  return row;
}

async function writeTrials(
  paths: StudyPaths,
  trials: readonly Trial[],
  tasks: ReadonlyMap<string, TaskState>,
  { data }: Prepared,
  seed: number,
  dataHash: string,
  artifacts: ArtifactStore,
  resultOf: ResultOf,
): Promise<void> {
  const byTrial = tasksByTrial(tasks);
  for (const trial of trials) {
    const own = byTrial.get(trial.id) ?? [];
    const ended = own.filter(({ status }) => status === 'done' || status === 'failed');
    if (ended.length > 0) await writeTrial(paths, trial, own, ended, data.task, seed, dataHash, artifacts, resultOf);
  }
}
