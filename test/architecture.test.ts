import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

/** The rooms without I/O, clock, ambient randomness or process. What they import is held by .dependency-cruiser.cjs. */
const pure = ['base', 'config', 'noise', 'search', 'model', 'ridge', 'plan', 'scheduler', 'rank', 'report'];
const pureFiles = [
  'worker/session.ts',
  'wire/codec.ts',
  'wire/task-codec.ts',
  'wire/messages.ts',
  'wire/schema.ts',
  'checkpoint/format.ts',
];

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.ts') && !name.endsWith('.d.ts'),
);

/** The code of a file without comments and strings, so that prose may speak of what code may not do. */
const codeOf = (name: string): string =>
  readFileSync(`src/${name}`, 'utf8').replace(/\/\*[^]*?\*\/|\/\/.*|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, '');

describe('the house', () => {
  it('has pure rooms, which know no clock, no ambient randomness and no process', () => {
    const ambient = /\b(Date\.now|new Date|Math\.random|performance\.|process\.|setTimeout|setInterval|console\.)/;
    const guilty = sources
      .filter((name) => pure.includes(name.split('/')[0] ?? '') || pureFiles.includes(name))
      .flatMap((name) => {
        const found = ambient.exec(codeOf(name));
        return found === null ? [] : [`${name}: ${found[0]}`];
      });
    assert.deepEqual(guilty, []);
  });

  it('draws random numbers from base/rng.ts only', () => {
    assert.deepEqual(
      sources.filter((name) => /Math\.random/.test(codeOf(name))),
      [],
    );
  });

  it('has files that one can read: none over 400 lines', () => {
    const long = sources.filter((name) => readFileSync(`src/${name}`, 'utf8').split('\n').length > 400);
    assert.deepEqual(long, []);
  });

  it('is drawn in the README as it is', () => {
    const drawn = [...readFileSync('README.md', 'utf8').matchAll(/^ {2}([a-z]+)\/ /gm)].map((match) => match[1]);
    const rooms = readdirSync('src', { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
    assert.deepEqual(drawn.toSorted(), rooms.toSorted());
  });
});
