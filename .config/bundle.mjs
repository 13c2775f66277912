// Bundles the process of a task, into task-process.js and a folder task/ beside it. Each task is a process of its own, and two hundred files, most of them of TensorFlow.js and zod,
// cost it a third of a second of processor time before its first step, and 60 MB. All else is run as tsc gives it.
//   node .config/bundle.mjs FOLDER      two levels below the package's: src/engine/tensorflow looks for that from where it stands, and would from FOLDER/task
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));
const [outdir] = process.argv.slice(2);
const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** The other packages bring libraries, or are small. Backends outside find TensorFlow.js all the same: all copies of its core share one engine, which is global. */
const bundled = ['@tensorflow/tfjs', 'zod'];

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ['src/worker/task-process.ts'],
  outdir,
  chunkNames: 'task/[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  mainFields: ['module', 'main'],
  alias: { '@tensorflow/tfjs': join(root, '.config/tfjs.mjs') },
  // node-fetch: for models from the network, which nobody loads here.
  external: [...Object.keys({ ...dependencies, ...peerDependencies }).filter((name) => !bundled.includes(name)), 'node-fetch'],
  // For CommonJS parts.
  banner: { js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);" },
  metafile: true,
  logLevel: 'warning',
});
writeFileSync(join(root, outdir, 'task/LICENSES.txt'), licences(Object.keys(metafile.inputs)));

/** Of the packages that are in the bundle. */
function licences(inputs) {
  const folders = new Set(inputs.flatMap((name) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? []));
  const texts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e/i.test(entry));
    return `${name} ${version}: ${license}\n${file === undefined ? '' : `\n${readFileSync(join(root, folder, file), 'utf8').trim()}\n`}`;
  });
  return texts.join('\n---\n\n');
}
