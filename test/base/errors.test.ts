import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { asNoisefoldError, errorCodes, NoisefoldError } from '../../src/base/errors.ts';

const page = 'docs/errors.md';

function render(): string {
  const rows = Object.entries(errorCodes).map(([code, { exit, means }]) => `| \`${code}\` | ${exit} | ${means} |`);
  return [
    '# Errors',
    '',
    'Every error that noisefold reports on purpose has one of these codes; a code never changes its meaning. An error says what was wrong, where (file:line:column, a column, a trial), and what to do.',
    '',
    'Exit codes: 0 done; 1 something failed while running; 2 the input is wrong, and nothing was trained; 75 stopped by a signal, and the same command goes on; 78 a process that was set up wrongly.',
    '',
    '| code | exit | what it means |',
    '| --- | ---: | --- |',
    ...rows,
    '',
  ].join('\n');
}

describe('errors', () => {
  it('are all explained in docs/errors.md (UPDATE_DOCS=1 rewrites it)', () => {
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(page, render());
    assert.equal(readFileSync(page, 'utf8'), render());
  });

  it('are all used: a code that nothing throws explains nothing', () => {
    const code = readdirSync('src', { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && name !== 'base/errors.ts' && !name.endsWith('.d.ts'))
      .map((name) => readFileSync(`src/${name}`, 'utf8'))
      .join('\n');
    const asItself = readFileSync('src/base/errors.ts', 'utf8').slice(
      readFileSync('src/base/errors.ts', 'utf8').indexOf('export function asNoisefoldError'),
    );
    assert.deepEqual(
      Object.keys(errorCodes).filter((name) => !`${code}\n${asItself}`.includes(`'${name}'`)),
      [],
    );
  });

  it('say where, what, and what to do', () => {
    const error = new NoisefoldError('DATA_RAGGED_ROW', 'the row has 3 fields, the header 4', {
      where: 'a.csv:7',
      hint: 'Add the field.',
    });
    assert.equal(error.format(), 'DATA_RAGGED_ROW a.csv:7: the row has 3 fields, the header 4\n  Add the field.');
    assert.equal(error.exit, 2);
  });

  it('know a full disk from a defect', () => {
    assert.equal(
      asNoisefoldError(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })).code,
      'DISK_FULL',
    );
    assert.equal(asNoisefoldError(new TypeError('x is not a function')).code, 'INTERNAL');
  });
});
