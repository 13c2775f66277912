/** What `noisefold fetch` says of a study that is not finished: what is in the folder, and what is not yet. */
import type { StudyStatus } from '../scheduler/types.ts';

export interface Fetched {
  /** As it is shown. */
  readonly folder: string;
  readonly study: string;
  readonly status: Exclude<StudyStatus, 'finished'>;
  /** How many trials and baselines are scored, as countsText says it; and of both together. */
  readonly counts: string;
  readonly scored: number;
  /** Trials whose final checkpoints came along; the best one first. */
  readonly checkpoints: readonly string[];
  /** Whether best/ and the report of an earlier fetch are there. */
  readonly earlier: boolean;
  /** The command, to be given again. */
  readonly again: string;
}

/** Lines, without newlines. */
export function fetchedLines(fetched: Fetched): readonly string[] {
  const { folder, status, counts, scored, checkpoints } = fetched;
  const [first, ...others] = checkpoints;
  const checkpointsOf =
    first === undefined
      ? 'of none'
      : `of ${first}${others.length > 2 ? ` and ${others.length} others` : others.map((id) => `, ${id}`).join('')}`;
  const rows: readonly (readonly [what: string, about: string])[] = [
    ['ranking.csv, ranking.json', `the ranking so far: ${counts}`],
    ...(scored === 0 ? [] : [['trials/', `what is over; checkpoints ${checkpointsOf}`] as const]),
    ['study.db, artifacts/', 'the copy that the next fetch goes on from'],
  ];
  return [
    `${folder} has the study as it is now, ${status}:`,
    ...rows.map(([what, about]) => `  ${what.padEnd(26)} ${about}`),
    ...lastLines(fetched),
  ];
}

function lastLines({ study, status, earlier, again }: Fetched): readonly string[] {
  const missing = earlier
    ? 'Of an earlier fetch: best/ and report.md'
    : 'Not there yet: best/ (model, features, predictions) and report.md';
  switch (status) {
    case 'running':
      return [`${missing}. When the study is finished, the same command completes the folder: ${again}`];
    case 'pausing':
    case 'paused':
      return [
        `${missing}. Go on with: noisefold resume ${study}`,
        `When the study is finished, the same command completes the folder: ${again}`,
      ];
    case 'cancelled':
      return [
        earlier
          ? `${missing}. There will be no others.`
          : 'There will be no best/ and no report.md: a cancelled study stays as it is.',
      ];
    default:
      return status satisfies never;
  }
}
