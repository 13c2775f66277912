// Takes out of node_modules what this platform's Node never reads: other platforms' libraries, source maps, bundles for browsers. Half of it.
//   node prune.mjs APP ENGINES      what only engines need is moved from APP/node_modules to ENGINES/node_modules
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const [app, engines] = process.argv.slice(2);
const modules = join(app, 'node_modules');
const { platform, arch } = process;

const remove = (...parts) => rmSync(join(modules, ...parts), { recursive: true });

// Each is where the package of the pinned version has it: a version that has it elsewhere fails here, instead of growing the image in silence.
for (const other of readdirSync(join(modules, 'onnxruntime-node/bin/napi-v6')))
  if (other !== platform) remove('onnxruntime-node/bin/napi-v6', other);
for (const other of readdirSync(join(modules, 'onnxruntime-node/bin/napi-v6', platform)))
  if (other !== arch) remove('onnxruntime-node/bin/napi-v6', platform, other);
for (const other of readdirSync(join(modules, 'zeromq/build')))
  if (other !== platform && other !== 'manifest.json') remove('zeromq/build', other);
for (const other of readdirSync(join(modules, 'zeromq/build', platform)))
  if (other !== arch) remove('zeromq/build', platform, other);
for (const other of readdirSync(join(modules, '@photostructure/sqlite/prebuilds')))
  if (other !== `${platform}-${arch}`) remove('@photostructure/sqlite/prebuilds', other);

// Node reads tf*.node.js and the modules; the rest is for browsers.
const browsers = /^tf\b.*\.(es2017|fesm|min)\./;
for (const name of readdirSync(modules, { recursive: true }))
  if (name.endsWith('.map') || (name.startsWith('@tensorflow/') && browsers.test(name.slice(name.lastIndexOf('/') + 1))))
    rmSync(join(modules, name), { force: true });

// The same again of the client for buckets: Node takes dist-cjs (the condition "node" of its exports).
for (const scope of ['@aws-sdk', '@smithy'])
  for (const name of readdirSync(join(modules, scope))) {
    remove(scope, name, 'dist-es');
    remove(scope, name, 'dist-types');
  }

for (const name of ['onnxruntime-node', 'onnxruntime-common', '@tensorflow', 'core-js']) {
  // Not renamed: a build step may not rename a folder that an earlier one made.
  cpSync(join(modules, name), join(engines, 'node_modules', name), { recursive: true, verbatimSymlinks: true });
  remove(name);
}
