// proto/*.proto -> typed static ESM codecs, each beside the one file that may see it.
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import pbjs from 'protobufjs-cli/pbjs.js';

const flags = ['-t', 'static-module', '-w', 'esm', '--dts', '--null-semantics'];
const leftOut = ['--no-create', '--no-verify', '--no-delimited', '--no-convert', '--no-typeurl'];
const targets = [
  { proto: 'proto/noisefold.proto', out: 'src/wire/generated/noisefold.js' },
  { proto: 'proto/onnx.proto', out: 'src/engine/onnx/generated/onnx.js' },
  { proto: 'proto/tensorflow.proto', out: 'src/engine/tensorflow/generated/tensorflow.js' },
];
for (const { proto, out } of targets) {
  if (!existsSync(proto)) continue;
  mkdirSync(dirname(out), { recursive: true });
  await promisify(pbjs.main)([...flags, ...leftOut, '-o', out, proto]);
}
