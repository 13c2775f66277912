// proto/*.proto -> typed static ESM codecs, each beside the one file that may see it.
import { mkdirSync } from 'node:fs';
import { promisify } from 'node:util';
import pbjs from 'protobufjs-cli/pbjs.js';
import pbts from 'protobufjs-cli/pbts.js';

const targets = [
  { proto: 'proto/noisefold.proto', out: 'src/wire/generated/noisefold' },
  { proto: 'proto/onnx.proto', out: 'src/engine/onnx/generated/onnx' },
];
for (const { proto, out } of targets) {
  mkdirSync(out.slice(0, out.lastIndexOf('/')), { recursive: true });
  await promisify(pbjs.main)(['-t', 'static-module', '-w', 'esm', '--es6', '--no-create', '--no-verify', '--no-delimited', '--no-convert', '-o', `${out}.js`, proto]);
  await promisify(pbts.main)(['-o', `${out}.d.ts`, `${out}.js`]);
}
