/** A study in a few numbers, whatever its size: what `ls`, `status` and `top` are told over the wire. */
import type { SummaryInput } from '../coordinator/types.ts';
import { taskStatuses, trialStatuses, type TaskStatus, type TrialStatus } from '../scheduler/types.ts';
import type { Scored, StudySummary } from '../wire/messages.ts';
import { viewOf, type Comparison } from './view.ts';

const scored = ({ trial, score }: Scored | Comparison): Scored => ({ trial, score });

const counts = (of: Readonly<Record<TrialStatus, number>>): Readonly<Record<TrialStatus, number>> =>
  Object.fromEntries(trialStatuses.map((status) => [status, of[status]])) as Record<TrialStatus, number>;

export function summaryOf(input: SummaryInput): StudySummary {
  const { study, createdMs, trouble } = input;
  const view = viewOf(input);
  return {
    name: study.name,
    status: study.status,
    trouble,
    createdMs,
    metric: view.metric,
    tasks: Object.fromEntries(taskStatuses.map((status) => [status, study.tasks.count(status)])) as Record<TaskStatus, number>,
    trials: counts(view.trials),
    baselines: counts(view.baselines),
    rung: view.rung,
    best: view.best && scored(view.best),
    raw: view.raw && scored(view.raw),
    untrained: view.untrained && scored(view.untrained),
    secondsLeft: view.left?.seconds,
    atLeast: view.left?.atLeast ?? false,
  };
}
