// Runs the tests; `pure` leaves out the tiers that start sockets, engines or processes, `inprocess` only those whose work is done by real
// processes; `deploy` is those on a Docker Engine and a Slurm, which take minutes and belong to no other tier. Node 20 has no globs in --test, so files are listed here.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

const [tier, ...rest] = process.argv.slice(2);
const slow = /^test\/(e2e|contract|engine|coordinator|worker|train|golden|simulation)\//;
const named = [tier, ...rest].filter((name) => name?.endsWith('.test.ts'));
const all = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => `test/${name}`)
  .sort();
const deploy = ['test/deploy/docker.test.ts', 'test/deploy/slurm.test.ts'];
const leftOut = { pure: slow, inprocess: /^test\/e2e\// }[tier];
const files =
  named.length > 0 ? named : tier === 'deploy' ? deploy : all.filter((name) => !leftOut?.test(name) && !deploy.includes(name));
const run = spawnSync(process.execPath, ['--import', 'tsx', '--test', '--test-concurrency=2', ...files], { stdio: 'inherit' });
process.exit(run.status ?? 1);
