/** What time does: it ends leases, finds hung tasks, forgets silent workers, and lets quarantined ones be probed. */
import type { Draft } from './draft.ts';
import { leave } from './from-worker.ts';
import { probe } from './health.ts';
import { fail, lose } from './tasks.ts';
import { isHeld } from './transitions.ts';
import type { TaskState } from './types.ts';

export function tick(draft: Draft): void {
  for (const { name, tasks } of draft.studies.values())
    for (const { task } of tasks.held()) {
      // Looked up again: the failure of one fold takes the others away.
      const now = draft.task({ study: name, task: task.id });
      if (now === undefined || !isHeld(now.status)) continue;
      if ((now.leaseUntil ?? 0) <= draft.nowMs) lapse(draft, name, now);
      else if (hangs(draft, now)) endHung(draft, name, now);
    }
  for (const { id, lastSeen } of [...draft.workers.values()])
    if (lastSeen + draft.policy.leaseMs <= draft.nowMs) leave(draft, id, 'worker is silent', lose);
  probe(draft);
}

/** If the worker is heard again, the attempt that it names is not the current one any more, and it is told to kill it. */
function lapse(draft: Draft, study: string, task: TaskState): void {
  lose(draft, study, task, 'lease ended');
  // One that is there and says nothing of the task never got it.
  if (task.worker !== undefined && task.status === 'leased') draft.free(task.worker);
}

const hangs = ({ nowMs, policy }: Draft, { status, progressedAt }: TaskState): boolean =>
  status === 'running' && progressedAt !== undefined && nowMs - progressedAt > policy.stallMs;

function endHung(draft: Draft, study: string, task: TaskState): void {
  const { worker, attempt, progress } = task;
  if (worker === undefined) return;
  draft.emit({ type: 'cancel', worker, study, task: task.task.id, attempt });
  const minutes = Math.round(draft.policy.stallMs / 6_000) / 10;
  const message = `no progress for ${minutes} minutes, at step ${progress?.step ?? 0}, while ${progress?.phase ?? 'starting'}`;
  fail(draft, study, task, { code: 'TASK_STALLED', message, retryable: true }, worker);
}
