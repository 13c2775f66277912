/**
 * The live display of a study. On a terminal: lines that stay scroll by above a frame (header, a bar a worker, best score) that is drawn
 * over itself, one write a frame, each line erased only behind its new text, so that nothing flickers. Elsewhere (a pipe, CI, a dumb
 * terminal): plain lines, one when a trial starts or ends and at most one about progress every ten seconds.
 */
import pc from 'picocolors';
import { announcements, type Announcement } from '../report/announce.ts';
import { frameOf, statusLine } from '../report/frame.ts';
import { type Paint, unpainted } from '../report/model.ts';
import type { StudyView } from '../report/view.ts';

export interface Display {
  /** Shows the study as it is now. May be called as often as one likes; a second or so apart at most, or the clock in the header stands still. */
  update(view: StudyView): void;
  /** Prints a line that stays. */
  note(line: string): void;
  /** Shows the last view, without workers' bars, and leaves the cursor below it. Later notes are plain lines; later views are not shown. */
  close(): void;
}

export interface DisplayOptions {
  /** `columns` and `rows` are read before every frame. */
  readonly out: Pick<NodeJS.WriteStream, 'write' | 'columns' | 'rows'>;
  readonly colour: boolean;
  /** Whether `out` can be drawn over. */
  readonly isTTY: boolean;
  readonly nowMs: () => number;
}

/** What a stream can do, by itself and the environment: TERM=dumb and CI get plain lines, NO_COLOR (if not empty) no colours. */
export function terminalOf(
  out: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): { readonly isTTY: boolean; readonly colour: boolean } {
  const set = (name: string): boolean => env[name] !== undefined && env[name] !== '';
  const isTTY = out.isTTY === true && env['TERM'] !== 'dumb' && !set('CI');
  return { isTTY, colour: isTTY && !set('NO_COLOR') };
}

export const paintOf = (colour: boolean): Paint => (colour ? pc.createColors(true) : unpainted);

export const createDisplay = (options: DisplayOptions): Display => (options.isTTY ? liveDisplay(options) : plainDisplay(options));

const plainEveryMs = 10_000;

function plainDisplay({ out, nowMs }: DisplayOptions): Display {
  let shown: StudyView | undefined;
  let saidAt = -Infinity;
  let open = true;
  const say = (line: string): void => void out.write(`${line}\n`);
  const status = (view: StudyView): void => {
    say(statusLine(view, unpainted));
    saidAt = nowMs();
  };
  return {
    update: (view) => {
      if (!open) return;
      for (const { text } of announcements(shown, view)) say(text);
      shown = view;
      if (nowMs() - saidAt >= plainEveryMs) status(view);
    },
    note: say,
    close: () => {
      if (open && shown !== undefined) status(shown);
      open = false;
    },
  };
}

/** A frame may follow another after this time; views in between are shown with the next one. */
const frameEveryMs = 60;

const eraseToLineEnd = '\x1b[K';
const eraseBelow = '\x1b[J';
/** To the start of the line so many lines up; a ^C that the terminal echoed has moved the cursor. */
const up = (lines: number): string => `\r${lines > 0 ? `\x1b[${lines}A` : ''}`;

function liveDisplay({ out, colour, nowMs }: DisplayOptions): Display {
  const paint = paintOf(colour);
  let view: StudyView | undefined;
  /** Widths of the lines that are on the screen now. */
  let onScreen: readonly number[] = [];
  let drawnAt = -Infinity;
  let open = true;

  const draw = (above: readonly string[] = []): void => {
    // The cursor's own line stays free, and so does the last character of each line: some terminals wrap behind it.
    const width = Math.max(1, (out.columns || 80) - 1);
    const lines = view === undefined ? [] : frameOf(view, { width, height: Math.max(3, (out.rows || 24) - 1) }, paint);
    // After the window got narrower, what was drawn wide may take more than one row a line.
    const rows = onScreen.reduce((sum, was) => sum + Math.max(1, Math.ceil(was / (width + 1))), 0);
    const kept = above.length > 0 ? eraseBelow + above.map((line) => `${line}\n`).join('') : '';
    out.write(up(rows) + kept + lines.map((line) => `${line}${eraseToLineEnd}\n`).join('') + eraseBelow);
    onScreen = lines.map((line) => unstyled(line).length);
    drawnAt = nowMs();
  };

  return {
    update: (next) => {
      if (!open) return;
      const lines = announcements(view, next).flatMap((said) => (said.type === 'started' ? [] : [painted(said, paint)]));
      view = next;
      if (lines.length > 0 || nowMs() - drawnAt >= frameEveryMs) draw(lines);
    },
    note: (line) => {
      if (open) draw([line]);
      else out.write(`${line}\n`);
    },
    close: () => {
      if (!open) return;
      if (view !== undefined) {
        view = { ...view, workers: [] };
        draw();
      }
      open = false;
    },
  };
}

function painted({ type, text }: Announcement, paint: Paint): string {
  switch (type) {
    case 'failed':
    case 'requeued':
      return paint.red(text);
    case 'started':
    case 'done':
    case 'dropped':
      return text;
    default:
      return type satisfies never;
  }
}

const unstyled = (line: string): string => line.replace(/\x1b\[[0-9;]*m/g, '');
