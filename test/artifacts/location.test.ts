import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { s3Location, s3Url } from '../../src/artifacts/s3/location.ts';

const name = fc.stringMatching(/^[a-zA-Z0-9 _.%&=?#+-]{1,10}$/).filter((text) => !/^\.{1,2}$/.test(text) && text.trim() === text);

describe('an s3:// URL', () => {
  it('says where, and how to get there', () => {
    assert.deepEqual(s3Location('s3://bucket'), { bucket: 'bucket', prefix: '' });
    assert.deepEqual(s3Location('s3://bucket/a/b/'), { bucket: 'bucket', prefix: 'a/b' });
    assert.deepEqual(s3Location('s3://b-1.x/p?endpoint=http://minio:9000&region=eu-1&path-style=off&checksums=off'), {
      ...{ bucket: 'b-1.x', prefix: 'p', endpoint: 'http://minio:9000', region: 'eu-1' },
      ...{ forcePathStyle: false, checksums: false },
    });
  });

  it('is the same after writing and reading it again', () => {
    const locations = fc.record(
      {
        bucket: fc.stringMatching(/^[a-z0-9]{3,10}$/),
        prefix: fc.array(name, { maxLength: 3 }).map((names) => names.join('/')),
        endpoint: fc.constantFrom('http://a:1', 'https://x.example/s3?y=1&z'),
        region: name,
        forcePathStyle: fc.boolean(),
        checksums: fc.boolean(),
      },
      { requiredKeys: ['bucket', 'prefix'], noNullPrototype: true },
    );
    fc.assert(fc.property(locations, (location) => assert.deepEqual(s3Location(s3Url(location)), location)));
  });

  it('is refused when it is none, or says what nobody understands', () => {
    for (const wrong of [
      's3://',
      's3:bucket',
      'http://bucket/p',
      's3://b',
      's3://bucket?path-style=maybe',
      's3://bucket?endpont=x',
      's3://bucket/%zz',
    ])
      assert.throws(() => s3Location(wrong), { code: 'USAGE' }, wrong);
    assert.throws(() => s3Location('s3://bucket?endpoint=minio:9000'), /minio:9000 is no http/);
  });
});
