import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import protobuf from 'protobufjs';

const proto = fileURLToPath(new URL('../../proto/noisefold.proto', import.meta.url));
const snapshotFile = fileURLToPath(new URL('field-numbers.json', import.meta.url));

/** Every number that a message or an enum of proto/ has: `Lease.2` -> `uint32 attempt`. */
function numbersIn(text: string): { used: Map<string, string>; reserved: Set<string> } {
  const used = new Map<string, string>();
  const reserved = new Set<string>();
  const walk = (space: protobuf.NamespaceBase, path: string): void => {
    for (const item of space.nestedArray) {
      const name = `${path}${item.name}`;
      if (item instanceof protobuf.Enum)
        for (const [value, number] of Object.entries(item.values)) used.set(`${name}.${number}`, value);
      if (item instanceof protobuf.Type) {
        for (const field of item.fieldsArray) used.set(`${name}.${field.id}`, describeField(field));
        for (const range of (item.reserved as typeof item.reserved | undefined) ?? [])
          if (typeof range !== 'string')
            for (let id = range[0] ?? 0, last = range[1] ?? 0; id <= last; id++) reserved.add(`${name}.${id}`);
      }
      if (item instanceof protobuf.Namespace) walk(item, `${name}.`);
    }
  };
  walk(protobuf.parse(text, { keepCase: true }).root.lookup('noisefold.v1') as protobuf.Namespace, '');
  return { used, reserved };
}

const describeField = (field: protobuf.Field): string =>
  `${field.repeated ? 'repeated ' : ''}${field instanceof protobuf.MapField ? `map<${field.keyType}, ${field.type}>` : field.type} ${field.name}`;

/** What is wrong with numbers that are, beside those that once were. */
function violations(text: string, snapshot: Readonly<Record<string, string>>): string[] {
  const { used, reserved } = numbersIn(text);
  return Object.entries(snapshot).flatMap(([number, before]) => {
    const now = used.get(number);
    if (now === undefined) return reserved.has(number) ? [] : [`${number} (${before}) is gone, and not reserved`];
    return now === before ? [] : [`${number} was ${before}, and is ${now}`];
  });
}

describe('the numbers of proto/noisefold.proto', () => {
  const text = readFileSync(proto, 'utf8');
  const snapshot = JSON.parse(readFileSync(snapshotFile, 'utf8')) as Record<string, string>;

  it('never change their meaning: an old peer would read them as they were', () =>
    assert.deepEqual(violations(text, snapshot), []));

  it('are all in field-numbers.json (UPDATE_PROTO=1 adds the new ones, and takes none away)', () => {
    const all = { ...snapshot, ...Object.fromEntries(numbersIn(text).used) };
    if (process.env['UPDATE_PROTO'] === '1') writeFileSync(snapshotFile, `${JSON.stringify(all, undefined, 2)}\n`);
    else assert.deepEqual(Object.keys(all), Object.keys(snapshot));
  });

  it('are found out when they are taken for something else, or forgotten', () => {
    const old = { ...snapshot, 'Welcome.1': 'string study' };
    assert.deepEqual(violations(text, old), []);
    assert.deepEqual(violations(text.replace('reserved 1;', ''), old), ['Welcome.1 (string study) is gone, and not reserved']);
    assert.deepEqual(violations(text.replace('uint32 attempt = 2;', 'uint64 attempt = 2;'), { 'Lease.2': 'uint32 attempt' }), [
      'Lease.2 was uint32 attempt, and is uint64 attempt',
    ]);
  });
});

describe('generated code', () => {
  it('is what proto/ gives now (npm run proto)', async () => {
    await promisify(execFile)(process.execPath, ['.config/generate.mjs', '--check']);
  });
});
