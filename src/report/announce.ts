/** What happened between two views of a study, as lines that stay. */
import { duration, epochsText, significant } from '../base/units.ts';
import { metricNames } from './model.ts';
import type { StudyView, TrialRow, TrialRung } from './view.ts';

export interface Announcement {
  readonly type: 'started' | 'done' | 'requeued' | 'failed' | 'dropped';
  readonly text: string;
}

/** In the order of the plan, the end of a rung after what happened in it. What was over before the first view (a resumed study) is not announced. */
export function announcements(before: StudyView | undefined, now: StudyView): readonly Announcement[] {
  const earlier = new Map(before?.rows.map((row) => [row.id, row]));
  const ofTrials = now.rows.flatMap((row) => {
    const was = earlier.get(row.id);
    if (was === undefined && row.status !== 'running') return [];
    return row.rung === undefined ? announcement(was, row, now) : ofRungs(was, row, row.rung, now);
  });
  return [...ofTrials, ...rungAnnouncement(before, now)];
}

/** A trial with rungs: each score by the epochs that it came after, and where the trial goes on. */
function ofRungs(was: TrialRow | undefined, row: TrialRow, rung: TrialRung, view: StudyView): readonly Announcement[] {
  const found: Announcement[] = [];
  const { scored, toEpochs } = rung;
  if (was !== undefined && scored !== undefined && scored.epochs !== was.rung?.scored?.epochs) {
    const isBest = view.best?.trial === row.id && scored.score === view.best.score && view.trials.total > 1;
    const score = scored.score === undefined ? 'scored' : `${significant(scored.score)} ${metricNames[view.metric]}`;
    found.push({
      type: 'done',
      text: `${row.id} after ${epochsText(scored.epochs)}: ${score}${isBest ? ', the best so far' : ''}`,
    });
  }
  const isOn = row.status === 'running' && row.worker !== undefined && toEpochs !== undefined;
  if (isOn && row.attempts <= Math.max(1, was?.attempts ?? 0) && toEpochs !== was?.rung?.toEpochs) {
    const how = scored === undefined ? `started on ${row.worker}, for` : `continues on ${row.worker}, to`;
    found.push({ type: 'started', text: `${row.id} ${how} ${epochsText(toEpochs)}` });
  } else if (row.status !== 'done' && (row.status !== 'running' || (was !== undefined && row.attempts > was.attempts)))
    found.push(...announcement(was, row, view));
  return found;
}

/** `rung 1/3 is decided: trial-0003, trial-0005 go on to 9 epochs` */
function rungAnnouncement(before: StudyView | undefined, { rung, rows }: StudyView): readonly Announcement[] {
  if (before?.rung === undefined || rung === undefined || rung.number <= before.rung.number) return [];
  const ids = rows.filter((row) => (row.rung?.number ?? 0) >= rung.number).map(({ id }) => id);
  const named = ids.length > 6 ? `${ids.slice(0, 5).join(', ')} and ${ids.length - 5} more` : ids.join(', ');
  const go = ids.length === 1 ? 'goes on' : 'go on';
  return [{ type: 'done', text: `rung ${rung.number - 1}/${rung.of} is decided: ${named} ${go} to ${epochsText(rung.epochs)}` }];
}

function announcement(was: TrialRow | undefined, row: TrialRow, view: StudyView): readonly Announcement[] {
  const again = was !== undefined && row.attempts > was.attempts;
  if (was?.status === row.status && !again) return [];
  // An error stays with its trial when a later attempt is lost with its worker: it is then no reason.
  const fresh = row.failures > (was?.failures ?? 0) || row.error?.message !== was?.error?.message || row.status === 'failed';
  const reason = fresh && row.error !== undefined ? `: ${reasonOf(row.error)}` : '';
  switch (row.status) {
    case 'running': {
      const where = row.worker === undefined ? '' : ` on ${row.worker}`;
      const attempt = row.attempts > 1 ? `, attempt ${row.attempts}` : '';
      return [{ type: 'started', text: `${row.id} started${where}${attempt}${reason && ` (before${reason})`}` }];
    }
    case 'done': {
      const score = row.score === undefined ? '' : `: ${significant(row.score)} ${metricNames[view.metric]}`;
      const time = row.seconds === undefined ? '' : ` in ${duration(row.seconds)}`;
      const best = view.best?.trial === row.id && view.trials.done > 1 ? ', the best so far' : '';
      return [{ type: 'done', text: `${row.id} done${score}${time}${best}` }];
    }
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

const reasonLength = 160;

/** `TRAIN_DIVERGED the loss is NaN`: the code once, and the first line of the message, which may come from anywhere: no escape codes. */
function reasonOf({ code, message }: NonNullable<TrialRow['error']>): string {
  const [line = ''] = (message.startsWith(code) ? message.slice(code.length).replace(/^[:\s]+/, '') : message)
    .trim()
    .split(/[\r\n]/);
  const said = `${code} ${line.replace(/[\s\p{Cc}]+/gu, ' ')}`.trim();
  return said.length > reasonLength ? `${said.slice(0, reasonLength - 1)}…` : said;
}
