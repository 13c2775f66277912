// Adds the engine `tensorflow`: node deploy/tensorflow/install.mjs [--cuda] [--python PYTHON] [--into FOLDER]
//
// The npm packages @tensorflow/tfjs-node and tfjs-node-gpu download a TensorFlow of 2022 when they are installed. Here they are installed
// without that, and their binding, 100 KB of C++, is built against the TensorFlow inside a Python wheel, which is current. Needs the npm
// registry and PyPI, g++, and Python for its pip; nothing is installed outside the folder.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const tfjsVersion = '4.22.0';
const headersVersion = '1.9.0';

const usage = `node deploy/tensorflow/install.mjs [OPTIONS]

  --cuda            for NVIDIA GPUs: TensorFlow with CUDA 12 (Hopper and older), 5 GB on disk instead of 1.5
  --python PYTHON   use the TensorFlow that this interpreter imports, instead of a wheel of our own
  --into FOLDER     where to (default: .cache/tensorflow in this clone, where noisefold looks by itself;
                    it looks elsewhere if the environment variable NOISEFOLD_TENSORFLOW names the folder)
`;

/** Something went wrong here: 1. Something is missing: 2. npm or pip did not get what was asked of them: 3. */
const fail = (message, code = 1) => {
  console.error(message);
  process.exit(code);
};

const text = { type: 'string' };
let options;
try {
  options = parseArgs({
    options: { cuda: { type: 'boolean', default: false }, python: text, into: text, help: { type: 'boolean' } },
  }).values;
} catch (error) {
  fail(`${error.message}\n\n${usage}`, 2);
}
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const { cuda } = options;
const folder = resolve(options.into ?? join(root, '.cache/tensorflow'));
const site = join(folder, 'site');
const packageName = cuda ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
const packageFolder = join(folder, 'node_modules', packageName);
const binding = join(packageFolder, 'lib/napi-v8/tfjs_binding.node');
const requirements = join(here, cuda ? 'requirements-cuda.txt' : 'requirements-cpu.txt');

const output = (command, args) => {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return status === 0 ? stdout.trim() : undefined;
};
const run = (command, args, settings = {}) => {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', ...settings });
  if (status !== 0)
    fail(`failed: ${command} ${args.join(' ')}${error ? `: ${error.message}` : ''}`, command === 'g++' ? 1 : 3);
};

/** The folder of the TensorFlow that an interpreter would import, which need not be able to. */
const tensorflowOf = (python) =>
  output(python, ['-c', "import importlib.util as u; print(list(u.find_spec('tensorflow').submodule_search_locations)[0])"]);

/** What is missing, all of it. */
function missing() {
  const problems = [];
  if (process.platform !== 'linux') problems.push(`Linux; this is ${process.platform}.`);
  else if (options.python === undefined && process.arch !== 'x64')
    problems.push(
      `an x86-64 processor for the pinned wheels; this is ${process.arch}. With --python PYTHON, an installed TensorFlow is used.`,
    );
  if (output('g++', ['--version']) === undefined) problems.push('g++ (on Debian and Ubuntu: apt-get install g++).');
  if (output('npm', ['--version']) === undefined) problems.push('npm.');
  if (options.python === undefined) {
    if (output('python3', ['-m', 'pip', '--version']) === undefined)
      problems.push('python3 with pip (on Debian and Ubuntu: apt-get install python3-pip).');
  } else if (tensorflowOf(options.python) === undefined)
    problems.push(`a TensorFlow in ${options.python} (pip install tensorflow).`);
  const needed = options.python !== undefined ? 0.5 : cuda ? 14 : 3;
  let there = folder;
  while (!existsSync(there)) there = dirname(there);
  const { bavail, bsize } = statfsSync(there);
  const free = (bavail * bsize) / 1e9;
  if (free < needed) problems.push(`${needed} GB on the disk of ${there} while it is installed; ${free.toFixed(1)} GB are free.`);
  return problems;
}

const problems = missing();
if (problems.length > 0) fail(['This needs:', ...problems.map((problem) => `- ${problem}`)].join('\n'), 2);

/** What an installation was made of: if this has not changed, neither has the installation. */
const tensorflow = options.python === undefined ? join(site, 'tensorflow') : realpathSync(tensorflowOf(options.python));
const wanted = createHash('sha256')
  .update([tfjsVersion, headersVersion, packageName, tensorflow, process.arch].join('\n'))
  .update(readFileSync(requirements))
  .digest('hex');
const stamp = join(folder, 'installed');
const test = () =>
  output(process.execPath, [
    '-e',
    `process.env.TF_CPP_MIN_LOG_LEVEL = '2'; const { backend } = require(${JSON.stringify(packageFolder)});
     console.log('TensorFlow', backend().binding.TF_Version, 'on', backend().isUsingGpuDevice ? 'gpu' : 'cpu')`,
  ]);
const built = existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted ? test() : undefined;
if (built !== undefined) {
  console.log(`${built}: already in ${folder}`);
  process.exit(0);
}

if (existsSync(folder) && !existsSync(stamp) && readdirSync(folder).length > 0)
  fail(`${folder} holds something else: it would be lost. Name an empty folder.`, 2);
mkdirSync(folder, { recursive: true });
// Whatever happens from here on, the folder is known as one that may be filled anew.
writeFileSync(stamp, '');
for (const name of ['node_modules', 'site']) rmSync(join(folder, name), { recursive: true, force: true });
console.log(`${packageName} ${tfjsVersion} ...`);
writeFileSync(
  join(folder, 'package.json'),
  `${JSON.stringify({ private: true, dependencies: { [packageName]: tfjsVersion, 'node-api-headers': headersVersion } })}\n`,
);
run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel', 'error'], {
  cwd: folder,
});

if (options.python === undefined) {
  console.log(`TensorFlow, from ${relative(root, requirements)} ...`);
  // The interpreter of this machine does not matter: nothing of Python's is used but the file format.
  const tags = ['manylinux_2_27', 'manylinux_2_17', 'manylinux2014', 'manylinux_2_12', 'manylinux2010'];
  const platforms = tags.flatMap((tag) => ['--platform', `${tag}_x86_64`]);
  const pinned = ['--no-deps', '--require-hashes', '-r', requirements, '--target', site];
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-cache-dir', '--no-compile', ...pinned];
  run('python3', [...pip, '--only-binary=:all:', '--implementation', 'cp', '--python-version', '3.12', ...platforms], {
    env: { ...process.env, PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_ROOT_USER_ACTION: 'ignore' },
  });
}

console.log('the binding ...');
mkdirSync(dirname(binding), { recursive: true });
// Beside the library lie those that it needs: it finds them from where it is itself, so it must not be found by way of a link.
const runPath = options.python === undefined ? `$ORIGIN/${relative(dirname(binding), tensorflow)}` : tensorflow;
const include = [join(folder, 'node_modules/node-api-headers/include'), join(packageFolder, '..'), join(tensorflow, 'include')];
const sources = ['binding/tfjs_backend.cc', 'binding/tfjs_binding.cc'].map((file) => join(packageFolder, file));
run('g++', [
  ...['-O2', '-shared', '-fPIC', '-std=c++17', '-w', '-DNAPI_VERSION=8', '-DBUILDING_NODE_EXTENSION'],
  ...include.flatMap((path) => ['-I', path]),
  ...[...sources, '-o', `${binding}.new`, `-L${tensorflow}`, `-Wl,-rpath,${runPath}`],
  ...['-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2'],
]);
renameSync(`${binding}.new`, binding);
if (options.python === undefined) keepLibraries();

const result = test();
if (result === undefined) {
  spawnSync(process.execPath, ['-e', `require(${JSON.stringify(packageFolder)})`], { stdio: 'inherit' });
  fail('The binding is built but does not load: see above.');
}
writeFileSync(stamp, wanted);
console.log(`${result}: in ${folder}`);
if (folder !== join(root, '.cache/tensorflow')) console.log(`Set NOISEFOLD_TENSORFLOW=${folder} for noisefold to find it.`);

/** Of TensorFlow's wheel, the libraries; of the others (CUDA), everything. */
function keepLibraries() {
  const kept = `${tensorflow}.kept`;
  mkdirSync(kept);
  for (const library of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'])
    renameSync(join(tensorflow, library), join(kept, library));
  cpSync(join(tensorflow, 'THIRD_PARTY_NOTICES.txt'), join(kept, 'THIRD_PARTY_NOTICES.txt'));
  rmSync(tensorflow, { recursive: true });
  renameSync(kept, tensorflow);
}
