import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { allKeys, sweepJsonSchema } from '../../src/config/json-schema.ts';
import { configReference } from '../../src/config/reference.ts';

const pages = {
  'config.schema.json': `${JSON.stringify(sweepJsonSchema(), null, 2)}\n`,
  'config.md': configReference(),
};

describe('the pages made from the configuration schema', () => {
  for (const [name, text] of Object.entries(pages))
    it(`docs/${name} is what the schema says`, () => {
      const file = new URL(`../../docs/${name}`, import.meta.url);
      if (process.env['UPDATE_DOCS'] === '1') writeFileSync(file, text);
      assert.equal(
        readFileSync(file, 'utf8'),
        text,
        `docs/${name} is stale: run \`UPDATE_DOCS=1 node --import tsx --test test/config/docs.test.ts\` and read the difference`,
      );
    });

  it('every key has a description', () => {
    const silent = allKeys().filter(({ schema }) => (schema.description ?? '').length < 8);
    assert.deepEqual(
      silent.map(({ path }) => path.join('.')),
      [],
    );
  });
});
