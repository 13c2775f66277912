/**
 * Lines on a terminal that are drawn over themselves: one write a frame, each line erased only behind its new text, so that nothing flickers.
 * Lines that stay scroll by above.
 */
export interface Screen {
  /** Lines that a frame may have, and characters that a line may have, now. */
  size(): { readonly width: number; readonly height: number };
  /** @param above lines that stay, printed above the frame */
  draw(frame: readonly string[], above?: readonly string[]): void;
}

/** `columns` and `rows` are read before every frame. */
export type ScreenStream = Pick<NodeJS.WriteStream, 'write' | 'columns' | 'rows'>;

const eraseToLineEnd = '\x1b[K';
const eraseBelow = '\x1b[J';
/** To the start of the line so many lines up; a ^C that the terminal echoed has moved the cursor. */
const up = (lines: number): string => `\r${lines > 0 ? `\x1b[${lines}A` : ''}`;

export function createScreen(out: ScreenStream): Screen {
  /** Widths of the lines that are on the screen now. */
  let onScreen: readonly number[] = [];
  // The cursor's own line stays free, and so does the last character of each line: some terminals wrap behind it.
  const size: Screen['size'] = () => ({ width: Math.max(1, (out.columns || 80) - 1), height: Math.max(3, (out.rows || 24) - 1) });
  return {
    size,
    draw(frame, above = []) {
      const { width } = size();
      // After the window got narrower, what was drawn wide may take more than one row a line.
      const rows = onScreen.reduce((sum, was) => sum + Math.max(1, Math.ceil(was / (width + 1))), 0);
      const kept = above.length > 0 ? eraseBelow + above.map((line) => `${line}\n`).join('') : '';
      out.write(up(rows) + kept + frame.map((line) => `${line}${eraseToLineEnd}\n`).join('') + eraseBelow);
      onScreen = frame.map((line) => unstyled(line).length);
    },
  };
}

const unstyled = (line: string): string => line.replace(/\x1b\[[0-9;]*m/g, '');
