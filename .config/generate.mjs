// proto/*.proto -> typed static ESM codecs, each beside the one file that may see it. They are not committed: the build makes them, and `--check` says
// whether those that are there are what proto/ gives now.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pbjs from 'protobufjs-cli/pbjs.js';

const flags = ['-t', 'static-module', '-w', 'esm', '--dts', '--null-semantics'];
const leftOut = ['--no-create', '--no-verify', '--no-delimited', '--no-convert', '--no-typeurl'];
const targets = [
  { proto: 'proto/noisefold.proto', out: 'src/wire/generated/noisefold.js' },
  { proto: 'proto/onnx.proto', out: 'src/engine/onnx/generated/onnx.js' },
  { proto: 'proto/tensorflow.proto', out: 'src/engine/tensorflow/generated/tensorflow.js' },
];
const check = process.argv.includes('--check');
const root = check ? mkdtempSync(join(tmpdir(), 'noisefold-')) : '.';
for (const { proto, out } of targets) {
  if (!existsSync(proto)) continue;
  const made = join(root, out);
  mkdirSync(dirname(made), { recursive: true });
  await promisify(pbjs.main)([...flags, ...leftOut, '-o', made, proto]);
  if (check && !(existsSync(out) && readFileSync(out).equals(readFileSync(made)))) {
    process.stderr.write(`${out} is not what ${proto} gives: run npm run proto\n`);
    process.exitCode = 1;
  }
}
if (check) rmSync(root, { recursive: true });
