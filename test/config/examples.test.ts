import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseSweep } from '../../src/config/parse.ts';

const root = fileURLToPath(new URL('../../examples/', import.meta.url));
const examples = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'));

describe('every example', () => {
  assert(examples.length > 0);
  for (const name of examples)
    it(`${name} is right, and tells editors where the schema is`, () => {
      const text = readFileSync(posix.join(root, name), 'utf8');
      parseSweep(text, name);
      const schema = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text)?.[1];
      assert(schema !== undefined && existsSync(posix.join(root, posix.dirname(name), schema)), String(schema));
    });
});
