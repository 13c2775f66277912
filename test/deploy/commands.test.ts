/** Every command that deploy/README.md and k8s/README.md tell their readers to type is run by a test, or listed here and said on the page not to be. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { commandsOf, commandWith } from './commands.ts';
import { read } from './manifest.ts';

interface Section {
  readonly page: string;
  readonly heading: string;
  /** The test that takes commands from the page by these words. */
  readonly test: string;
  readonly run: readonly string[];
  /** Run by no test, which the page says in these words. */
  readonly said: string;
  readonly notRun: readonly string[];
}

const sections: readonly Section[] = [
  {
    page: 'deploy/README.md',
    heading: '## Docker',
    test: 'test/deploy/docker.test.ts',
    run: ['COMPOSE_FILE', ' up ', ' submit ', ' top ', ' fetch ', '| tar -x', 'noisefold-coordinator:', 'noisefold-worker:'],
    said: 'No test builds the GPU image',
    notRun: ['noisefold-worker-gpu:'],
  },
  {
    page: 'deploy/README.md',
    heading: '## Slurm',
    test: 'test/deploy/slurm.test.ts',
    run: ['export NOISEFOLD_SHARED', 'coordinator.sbatch', 'workers.sbatch', 'noisefold submit', 'noisefold fetch'],
    said: '',
    notRun: [],
  },
  {
    page: 'deploy/README.md',
    heading: '## systemd',
    test: 'test/deploy/systemd.test.ts',
    run: [],
    said: 'Not tried: a machine that systemd booted',
    notRun: [
      'npm install --global',
      'keys init',
      'sudo cp',
      'enable --now noisefold-coordinator',
      'NOISEFOLD_CONNECT=',
      'enable --now noisefold-workers',
    ],
  },
  {
    page: 'k8s/README.md',
    heading: '## Five commands',
    test: 'test/e2e/kubernetes.test.ts',
    run: ['keys init', 'create secret', 'submit', 'top', 'fetch'],
    said: 'No test runs `kubectl apply`, `port-forward`, `logs` and `delete`',
    notRun: ['kubectl apply', 'port-forward', ' logs ', ' delete '],
  },
];

describe('the commands of the pages on deployment', () => {
  for (const { page, heading, test, run, said, notRun } of sections)
    it(`${page}, ${heading}`, () => {
      const commands = commandsOf(page, heading);
      // The daemon is told twice, on either machine.
      const known = [...run, ...notRun].map((words) => commandWith(commands, words));
      assert.deepEqual(
        commands.filter((command) => !known.includes(command) && command !== 'sudo systemctl daemon-reload'),
        [],
        'a command that is neither run nor listed as not run',
      );
      for (const words of run)
        assert.ok(read(test).includes(words.trim().split(' ').at(-1) ?? ''), `${test} does not speak of ${words}`);
      assert.ok(read(page).includes(said), `${page} does not say: ${said}`);
    });
});
