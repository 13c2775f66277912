/** A study in a few numbers, whatever its size: what `ls`, `status` and `top` are told over the wire. */
import type { SummaryInput } from '../coordinator/types.ts';
import { taskStatuses, type TaskStatus } from '../scheduler/types.ts';
import type { Scored, StudySummary } from '../wire/messages.ts';
import { viewOf, type Comparison } from './view.ts';

const scored = ({ trial, score }: Scored | Comparison): Scored => ({ trial, score });

export function summaryOf(input: SummaryInput): StudySummary {
  const { study, createdMs, trouble } = input;
  const view = viewOf(input);
  const { total: _trials, ...trials } = view.trials;
  const { total: _baselines, ...baselines } = view.baselines;
  return {
    name: study.name,
    status: study.status,
    trouble,
    createdMs,
    metric: view.metric,
    tasks: Object.fromEntries(taskStatuses.map((status) => [status, study.tasks.count(status)])) as Record<TaskStatus, number>,
    trials,
    baselines,
    best: view.best && scored(view.best),
    raw: view.raw && scored(view.raw),
    untrained: view.untrained && scored(view.untrained),
    secondsLeft: view.left?.seconds,
    atLeast: view.left?.atLeast ?? false,
  };
}
