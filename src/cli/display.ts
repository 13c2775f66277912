/**
 * The live display of a study. On a terminal: lines that stay scroll by above a frame (header, a bar a worker, best score; screen.ts). Elsewhere (a pipe, CI, a dumb
 * terminal): plain lines, one when a trial starts or ends and at most one about progress every ten seconds.
 */
import pc from 'picocolors';
import { announcements, type Announcement } from '../report/announce.ts';
import { frameOf, statusLine } from '../report/frame.ts';
import { type Paint, unpainted } from '../report/model.ts';
import type { StudyView } from '../report/view.ts';
import { createScreen, type ScreenStream } from './screen.ts';

export interface Display {
  /** Shows the study as it is now. May be called as often as one likes; a second or so apart at most, or the clock in the header stands still. */
  update(view: StudyView): void;
  /** Prints a line that stays. */
  note(line: string): void;
  /** Shows the last view, without workers' bars, and leaves the cursor below it. Later notes are plain lines; later views are not shown. */
  close(): void;
}

export interface DisplayOptions {
  readonly out: ScreenStream;
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

function liveDisplay({ out, colour, nowMs }: DisplayOptions): Display {
  const paint = paintOf(colour);
  let view: StudyView | undefined;
  const screen = createScreen(out);
  let drawnAt = -Infinity;
  let open = true;

  const draw = (above: readonly string[] = []): void => {
    screen.draw(view === undefined ? [] : frameOf(view, screen.size(), paint), above);
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
