import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { NoisefoldError } from '../../src/base/errors.ts';
import {
  addKey,
  authoriseKey,
  coordinatorSecurity,
  initKeys,
  listKeys,
  makeKeyPair,
  readPeerSecurity,
  revokeKey,
} from '../../src/wire/keys.ts';

const keyError = (error: unknown) => error instanceof NoisefoldError && error.code === 'WIRE_KEY';

describe('key files', () => {
  let folder: string;
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'noisefold-')), 'keys');
    initKeys(folder);
  });
  afterEach(() => rmSync(join(folder, '..'), { recursive: true }));
  const authorised = (key: string): string | undefined => {
    const security = coordinatorSecurity(folder);
    return security.kind === 'curve' ? security.authorised(key) : undefined;
  };

  it('are for their owner’s eyes', () => {
    addKey(folder, 'worker');
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    for (const name of ['coordinator.json', 'authorised_keys', 'worker.json'])
      assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name);
  });

  it('hold pairs that belong together, and a peer’s file the coordinator’s public key', () => {
    const { keys, coordinator } = readPeerSecurity(addKey(folder, 'worker'));
    const own = coordinatorSecurity(folder);
    assert.ok(own.kind === 'curve' && own.keys.public === coordinator);
    const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), Buffer.from(keys.secret, 'hex')]);
    const derived = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({ format: 'jwk' });
    assert.equal(Buffer.from(derived.x ?? '', 'base64url').toString('hex'), keys.public);
  });

  it('are never overwritten: the coordinator’s peers know its key', () => {
    const before = readFileSync(join(folder, 'coordinator.json'));
    assert.throws(() => initKeys(folder), keyError);
    assert.deepEqual(readFileSync(join(folder, 'coordinator.json')), before);
    addKey(folder, 'worker');
    assert.throws(() => addKey(folder, 'worker'), keyError);
  });

  it('list who may connect, under names that are no paths, and read people’s lines and remarks', () => {
    addKey(folder, 'worker');
    const elsewhere = makeKeyPair();
    authoriseKey(folder, { name: 'laptop', public: elsewhere.public });
    appendFileSync(join(folder, 'authorised_keys'), `\n# a remark\n${'a'.repeat(64)}   by-hand`);
    addKey(folder, 'after-a-line-without-an-end');
    assert.deepEqual(
      listKeys(folder).map(({ name }) => name),
      ['worker', 'laptop', 'by-hand', 'after-a-line-without-an-end'],
    );
    assert.equal(authorised(elsewhere.public), 'laptop');
    assert.equal(authorised(makeKeyPair().public), undefined);
    for (const name of ['../x', '', 'a b', '.hidden', 'coordinator']) assert.throws(() => addKey(folder, name), keyError, name);
    assert.throws(() => authoriseKey(folder, { name: 'x', public: 'short' }), keyError);
  });

  it('are revoked by name, with the file and nothing else', () => {
    const { keys } = readPeerSecurity(addKey(folder, 'gpu-7'));
    addKey(folder, 'gpu-70');
    assert.equal(authorised(keys.public), 'gpu-7');
    revokeKey(folder, 'gpu-7');
    assert.equal(authorised(keys.public), undefined);
    assert.ok(!existsSync(join(folder, 'gpu-7.json')));
    assert.deepEqual(
      listKeys(folder).map(({ name }) => name),
      ['gpu-70'],
    );
    assert.match(readFileSync(join(folder, 'authorised_keys'), 'utf8'), /^# Who may connect/);
    assert.throws(() => revokeKey(folder, 'gpu-7'), keyError);
  });

  it('are refused when they are missing, of the wrong kind or broken, with the place', () => {
    assert.throws(() => readPeerSecurity(join(folder, 'nobody.json')), keyError);
    assert.throws(() => readPeerSecurity(join(folder, 'coordinator.json')), keyError);
    assert.throws(() => coordinatorSecurity(join(folder, 'elsewhere')), keyError);
    writeFileSync(join(folder, 'broken.json'), '{');
    assert.throws(() => readPeerSecurity(join(folder, 'broken.json')), keyError);
    appendFileSync(join(folder, 'authorised_keys'), 'nonsense\n');
    assert.throws(
      () => listKeys(folder),
      (error) => keyError(error) && error instanceof NoisefoldError && error.where?.endsWith('authorised_keys:2') === true,
    );
  });
});
