/** A terminal of so many columns and rows, as far as the display uses one: what a user sees, the scrolled-off lines included. */
import assert from 'node:assert/strict';

export interface Screen {
  write(text: string): void;
  /** Breaks the lines that are too long now, as terminals do. */
  narrow(columns: number): void;
  /** All lines from the first on, without trailing blanks and empty lines. */
  lines(): readonly string[];
}

export function createScreen(width: number, rows: number): Screen {
  let columns = width;
  let cells: string[][] = [[]];
  let [row, column] = [0, 0];
  const line = (r: number): string[] => {
    while (cells.length <= r) cells.push([]);
    return cells[r] ?? [];
  };
  return {
    write(text) {
      for (const [token] of text.matchAll(/\x1b\[[0-9]*[A-Za-z]|[^]/gu)) {
        const [, n, command] = /^\x1b\[([0-9]*)([A-Za-z])$/.exec(token) ?? [];
        if (token === '\n') [row, column] = [row + 1, 0];
        else if (token === '\r') column = 0;
        else if (command === 'A') {
          row -= Number(n);
          // A cursor does not go up past the screen's first row: what has scrolled off stays.
          assert.ok(row >= Math.max(0, cells.length - rows), 'the cursor would leave the screen');
        } else if (command === 'K') line(row).length = column;
        else if (command === 'J') {
          line(row).length = column;
          for (let r = row + 1; r < cells.length; r++) line(r).length = 0;
        } else if (command === 'm') continue;
        else if (command !== undefined) assert.fail(`unknown escape code ${JSON.stringify(token)}`);
        else {
          if (column === columns) [row, column] = [row + 1, 0];
          line(row)[column++] = token;
        }
        line(row);
      }
    },
    narrow(to) {
      const below = cells.length - row;
      columns = to;
      cells = cells.flatMap((cell) =>
        Array.from({ length: Math.max(1, Math.ceil(cell.length / to)) }, (_, i) => cell.slice(i * to, (i + 1) * to)),
      );
      row = cells.length - below;
    },
    lines() {
      const all = cells.map((line) =>
        Array.from(line, (cell: string | undefined) => cell ?? ' ')
          .join('')
          .trimEnd(),
      );
      while (all.at(-1) === '') all.pop();
      return all;
    },
  };
}
