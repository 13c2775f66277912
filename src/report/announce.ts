/** What happened between two views of a study, as lines that stay. */
import { duration, significant } from '../base/units.ts';
import { metricNames } from './model.ts';
import type { StudyView, TrialRow } from './view.ts';

export interface Announcement {
  readonly type: 'started' | 'done' | 'requeued' | 'failed' | 'dropped';
  readonly text: string;
}

/** In the order of the plan. What was over before the first view (a resumed study) is not announced. */
export function announcements(before: StudyView | undefined, now: StudyView): readonly Announcement[] {
  const earlier = new Map(before?.rows.map((row) => [row.id, row]));
  return now.rows.flatMap((row) => {
    const was = earlier.get(row.id);
    if (was === undefined && row.status !== 'running') return [];
    return announcement(was, row, now);
  });
}

function announcement(was: TrialRow | undefined, row: TrialRow, view: StudyView): readonly Announcement[] {
  const again = was !== undefined && row.attempts > was.attempts;
  // Scored, and sent on to the next rung in the same moment.
  if (was?.status === 'running' && row.status === 'running' && row.score !== undefined && row.score !== was.score)
    return [{ type: 'done', text: doneText(row, view) }];
  if (was?.status === row.status && !again) return [];
  // An error stays with its trial when a later attempt is lost with its worker: it is then no reason.
  const fresh = row.failures > (was?.failures ?? 0) || row.error?.message !== was?.error?.message || row.status === 'failed';
  const reason = fresh && row.error !== undefined ? `: ${reasonOf(row.error)}` : '';
  switch (row.status) {
    case 'running': {
      const where = row.worker === undefined ? '' : ` on ${row.worker}`;
      const attempt = row.attempts > 1 ? `, attempt ${row.attempts}` : '';
      // From the end of one rung to the next.
      const started = was?.status === 'done' ? 'continues' : 'started';
      return [{ type: 'started', text: `${row.id} ${started}${where}${attempt}${reason && ` (before${reason})`}` }];
    }
    case 'done':
      return [{ type: 'done', text: doneText(row, view) }];
    case 'failed':
      return [{ type: 'failed', text: `${row.id} failed${reason}` }];
    case 'pending':
      if (view.phase === 'running') return [{ type: 'requeued', text: `${row.id} is back in the queue${reason}` }];
      return [{ type: 'requeued', text: `${row.id} stopped; it goes on from its last checkpoint when the study is resumed` }];
    case 'dropped':
      return [{ type: 'dropped', text: `${row.id} will not run` }];
    default:
      return row.status satisfies never;
  }
}

function doneText({ id, score, seconds }: TrialRow, { metric, best, trials }: StudyView): string {
  const scored = score === undefined ? '' : `: ${significant(score)} ${metricNames[metric]}`;
  const time = seconds === undefined ? '' : ` in ${duration(seconds)}`;
  return `${id} done${scored}${time}${best?.trial === id && trials.done > 1 ? ', the best so far' : ''}`;
}

const reasonLength = 160;

/** `TRAIN_DIVERGED the loss is NaN`: the code once, and the first line of the message, which may come from anywhere: no escape codes. */
function reasonOf({ code, message }: NonNullable<TrialRow['error']>): string {
  const [line = ''] = (message.startsWith(code) ? message.slice(code.length).replace(/^[:\s]+/, '') : message)
    .trim()
    .split(/[\r\n]/);
  const said = `${code} ${line.replace(/[\s\p{Cc}]+/gu, ' ')}`.trim();
  return said.length > reasonLength ? `${said.slice(0, reasonLength - 1)}…` : said;
}
