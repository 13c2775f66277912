/** The commands that a page tells its readers to type, so that tests run those and not others like them. */
import assert from 'node:assert/strict';
import { read } from './manifest.ts';

/** Lines of the sh blocks below a heading of a page, up to the next heading of its level; a line that goes on (`\`) is one, comments are off. */
export function commandsOf(page: string, heading: string): readonly string[] {
  const level = /^#+/.exec(heading)?.[0] ?? '';
  const [, section] = read(page).split(`\n${heading}\n`);
  assert.ok(section !== undefined, `${page} has no ${heading}`);
  const [own = ''] = section.split(new RegExp(`^#{1,${level.length}} `, 'm'));
  return [...own.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block = '']) =>
    block
      .replaceAll(/\\\n\s*/g, '')
      .split('\n')
      .map((line) => line.replace(/\s+# .*$/, ''))
      .filter((line) => line !== ''),
  );
}

/** The one of the commands that has these words. */
export function commandWith(commands: readonly string[], words: string): string {
  const found = commands.filter((command) => command.includes(words));
  const [command] = found;
  assert.ok(command !== undefined && found.length === 1, `${found.length} commands with ${words}`);
  return command;
}
