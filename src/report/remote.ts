/** A study as a frame shows it, from what a coordinator tells its clients. */
import type { StudySummary, TaskSummary, WorkerSummary } from '../wire/messages.ts';
import type { FrameView } from './frame.ts';
import type { Comparison, StudyView, WorkerRow } from './view.ts';

export interface RemoteStudy {
  readonly study: StudySummary;
  readonly running: readonly TaskSummary[];
  readonly workers: readonly WorkerSummary[];
  readonly nowMs: number;
}

export function frameViewOf({ study, running, workers, nowMs }: RemoteStudy): FrameView {
  const { best } = study;
  const against = (baseline: StudySummary['raw']): Comparison | undefined =>
    baseline && { ...baseline, change: best && (best.score - baseline.score) / baseline.score };
  const counted = (counts: StudySummary['trials']): StudyView['trials'] => ({
    ...counts,
    total: Object.values(counts).reduce((sum, n) => sum + n, 0),
  });
  const tasks = new Map(running.map((task) => [task.task, task]));
  return {
    study: study.name,
    phase: study.status,
    metric: study.metric,
    trials: counted(study.trials),
    baselines: counted(study.baselines),
    rung: study.rung,
    workers: workers.flatMap((worker) => {
      if (worker.running !== undefined && worker.running.study !== study.name) return [];
      return [workerRow(worker, worker.running && tasks.get(worker.running.task))];
    }),
    best,
    raw: against(study.raw),
    untrained: against(study.untrained),
    elapsed: Math.max(0, nowMs - study.createdMs) / 1000,
    left: study.secondsLeft === undefined ? undefined : { seconds: study.secondsLeft, atLeast: study.atLeast },
  };
}

function workerRow({ name, status }: WorkerSummary, task: TaskSummary | undefined): WorkerRow {
  const progress = task?.progress;
  const idle = status === 'draining' ? 'leaving' : status === 'busy' ? 'idle' : status;
  const training = progress?.phase === 'training' ? progress : undefined;
  return {
    name,
    trial: task?.trial,
    phase: task === undefined ? idle : (progress?.phase ?? 'starting'),
    epoch: training && Math.min(training.epoch + 1, training.epochs),
    epochs: training?.epochs,
    share: task === undefined || task.toStep === 0 ? 0 : Math.min(1, (progress?.step ?? task.checkpointStep ?? 0) / task.toStep),
    loss: training?.loss,
    rowsPerSecond: training && training.rowsPerSecond > 0 ? training.rowsPerSecond : undefined,
    secondsLeft: progress?.secondsLeft,
  };
}
