// The build: codecs from proto/, JavaScript into dist/, the process of a task bundled. `--if-stale` leaves a build of the same sources alone: npm runs `prepare` not only after an
// install but also when npx meets the package for the first time, and nobody should wait for that.
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const generated = ['wire/generated', 'engine/onnx/generated', 'engine/tensorflow/generated'];
const stamp = 'dist/.sources';

/** The hash of everything that the build reads. */
function sources() {
  const hash = createHash('sha256');
  for (const folder of ['src', 'proto', '.config'])
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
      if (!/\.(ts|proto|mjs|json)$/.test(name) || name.includes('generated')) continue;
      hash.update(name).update(readFileSync(join(folder, name)));
    }
  return hash.update(readFileSync('package.json')).update(readFileSync('tsconfig.json')).digest('hex');
}

const wanted = sources();
const built = existsSync(stamp) && existsSync('dist/main.js') && generated.every((folder) => existsSync(`src/${folder}`)) && readFileSync(stamp, 'utf8') === wanted;
if (!process.argv.includes('--if-stale') || !built) {
  rmSync('dist', { recursive: true, force: true });
  await import('./generate.mjs');
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.config/tsconfig.build.json'], { stdio: 'inherit' });
  // tsc does not emit the generated JavaScript, and a bin must be executable.
  for (const folder of generated) cpSync(`src/${folder}`, `dist/${folder}`, { recursive: true });
  // In place of the one file that tsc gives.
  for (const name of ['task-process.js', 'task-process.js.map']) rmSync(`dist/worker/${name}`);
  execFileSync(process.execPath, ['.config/bundle.mjs', 'dist/worker'], { stdio: 'inherit' });
  chmodSync('dist/main.js', 0o755);
  writeFileSync(stamp, wanted);
}
