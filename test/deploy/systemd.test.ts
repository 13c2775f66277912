/** The systemd units: in step with the code, and what systemd itself says of them where it is installed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parseGpus, chosenDevices, deviceName } from '../../src/worker/devices.ts';
import { exitCodes } from '../../src/worker/session.ts';
import { leaveMs } from '../../src/cli/device-workers.ts';
import { read } from './manifest.ts';
import { commandProblem, longestLeaveMs, ownVariables } from './product-rules.ts';

const units = readdirSync(new URL('../../deploy/systemd', import.meta.url)).sort();
const [coordinator, worker] = ['noisefold-coordinator.service', 'noisefold-worker@.service'] as const;

/** Every value of a unit's setting, in order. */
function settings(text: string): (name: string) => string[] {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  return (name) => lines.filter((line) => line.startsWith(`${name}=`)).map((line) => line.slice(name.length + 1));
}
const services = [coordinator, worker] as const;
const textOf = (unit: string): string => read(`deploy/systemd/${unit}`);
const words = (values: readonly string[]): string[] => values.flatMap((value) => value.split(' '));

/** The command of a unit with its specifiers written out; undefined for one that is not known. */
const specifiers: Readonly<Record<string, string>> = {
  i: 'GPU-5d5ba0d6',
  H: 'host',
  d: '/run/credentials/unit',
  C: '/var/cache',
  S: '/var/lib',
};
const expanded = (command: string): string[] =>
  command.replace(/%(.)/g, (_, letter: string) => specifiers[letter] ?? '%').split(' ');

type Problems = (unit: string, text: string) => string[];
const say = (condition: boolean, problem: string): string[] => (condition ? [] : [problem]);

/** What must hold of a service, each with its name. */
const rules: Readonly<Record<string, Problems>> = {
  'options are options': (_, text) => {
    const [program, ...args] = expanded(settings(text)('ExecStart')[0] ?? '');
    const problem = commandProblem(args);
    return [...say(program === 'noisefold', 'starts something else'), ...say(problem === undefined, problem ?? '')];
  },
  'exit codes mean what they mean': (unit, text) => {
    const get = settings(text);
    const codes = (name: string): number[] => words(get(name)).map(Number);
    return [
      ...say(get('Restart').join() === 'on-failure', 'does not start again after a crash, or after a 0'),
      ...say(codes('RestartPreventExitStatus').includes(exitCodes.refused), `starts again after ${exitCodes.refused}`),
      ...say(!codes('RestartForceExitStatus').includes(exitCodes.drained), `starts again after ${exitCodes.drained}`),
      ...say(
        unit !== worker || codes('RestartForceExitStatus').includes(exitCodes.stopped),
        `does not start again after ${exitCodes.stopped}`,
      ),
      ...say(unit !== worker || codes('SuccessExitStatus').includes(exitCodes.stopped), 'has failed when it was only stopped'),
      ...say(get('StartLimitIntervalSec').join() === '0', 'is given up after some crashes'),
    ];
  },
  'time enough to leave': (unit, text) => {
    const seconds = Number(settings(text)('TimeoutStopSec')[0]);
    return [
      ...say(unit !== worker || (seconds * 1000 > longestLeaveMs && longestLeaveMs >= leaveMs), 'is killed while it leaves'),
      ...say(
        unit !== worker || settings(text)('KillMode').join() === 'mixed',
        'its workers get the signal beside their supervisor',
      ),
    ];
  },
  'keys are credentials': (_, text) => {
    const get = settings(text);
    const files = get('LoadCredential').map((one) => one.split(':')[0] ?? '');
    const args = expanded(get('ExecStart')[0] ?? '');
    const isWorker = args[1] === 'worker';
    return [
      ...say(files.sort().join() === (isWorker ? 'worker.json' : 'authorised_keys,coordinator.json'), `gets ${files.join()}`),
      ...say(
        args.includes(isWorker ? `--key=${specifiers['d'] ?? ''}/worker.json` : `--keys=${specifiers['d'] ?? ''}`),
        'looks for its keys elsewhere',
      ),
    ];
  },
  'what it writes is its own': (_, text) => {
    const get = settings(text);
    const args = expanded(get('ExecStart')[0] ?? '').join(' ');
    const [, data] = /--data=\/var\/lib\/(\S+)/.exec(args) ?? [];
    const [, cache] = /--cache=\/var\/cache\/(\S+)/.exec(args) ?? [];
    return [
      ...say(get('StateDirectory')[0] === data && get('CacheDirectory')[0] === cache, 'may not write its folder'),
      ...say(get('ProtectSystem').join() === 'strict' && get('DynamicUser').join() === 'yes', 'may write elsewhere'),
    ];
  },
};

/** A rule, a unit, and what is done to it. */
const faults: readonly (readonly [rule: string, unit: string, before: string, after: string])[] = [
  ['options are options', coordinator, '--data=', '--folder='],
  ['options are options', worker, '--devices=', '--gpus='],
  ['options are options', worker, 'ExecStart=noisefold', 'ExecStart=node'],
  ['exit codes mean what they mean', worker, 'RestartPreventExitStatus=78', 'RestartPreventExitStatus=79'],
  ['exit codes mean what they mean', worker, 'RestartForceExitStatus=75', 'RestartForceExitStatus=0'],
  ['exit codes mean what they mean', worker, 'SuccessExitStatus=75', ''],
  ['exit codes mean what they mean', coordinator, 'Restart=on-failure', 'Restart=always'],
  ['exit codes mean what they mean', coordinator, 'StartLimitIntervalSec=0', 'StartLimitIntervalSec=10'],
  ['time enough to leave', worker, 'TimeoutStopSec=30', 'TimeoutStopSec=15'],
  ['time enough to leave', worker, 'KillMode=mixed', 'KillMode=control-group'],
  ['keys are credentials', worker, 'LoadCredential=worker.json', 'LoadCredential=coordinator.json'],
  ['keys are credentials', worker, '--key=%d', '--key=/etc/noisefold/keys'],
  ['keys are credentials', coordinator, '--keys=%d', '--keys=/etc/noisefold/keys'],
  ['what it writes is its own', coordinator, 'StateDirectory=noisefold', 'StateDirectory=studies'],
  ['what it writes is its own', worker, 'DynamicUser=yes', 'DynamicUser=no'],
];

describe('the systemd units', () => {
  it('are a coordinator, a worker a device, and the workers of a machine', () => {
    assert.deepEqual(units, [coordinator, worker, 'noisefold-workers.target']);
    const get = settings(textOf(worker));
    assert.deepEqual([get('WantedBy'), get('PartOf')], [['noisefold-workers.target'], ['noisefold-workers.target']]);
  });

  for (const [rule, problems] of Object.entries(rules))
    it(`hold: ${rule}`, () => services.forEach((unit) => assert.deepEqual(problems(unit, textOf(unit)), [], unit)));

  for (const [rule, unit, before, changed] of faults)
    it(`fail where they should: ${rule}: ${before} -> ${changed}`, () => {
      const text = textOf(unit);
      assert.ok(text.includes(before));
      assert.notDeepEqual(rules[rule]?.(unit, text.replace(before, changed)), []);
    });

  it('of every rule a fault is known', () => {
    assert.deepEqual(
      Object.keys(rules).filter((rule) => !faults.some(([of]) => of === rule)),
      [],
    );
  });

  it('are instances by what --devices takes, and the README starts one for every GPU', () => {
    const gpus = parseGpus(read('test/worker/nvidia-smi/list-gpus.txt'));
    const [gpu] = gpus;
    assert.ok(gpu !== undefined);
    const devices = chosenDevices(gpu.uuid, { gpus, trouble: undefined, cpuSlots: 1 });
    assert.deepEqual(devices, [gpu]);
    assert.match(`noisefold-worker@${deviceName(gpu)}.service`, /^[\w:.@-]+$/);
    assert.match(`noisefold-worker@${gpu.uuid}.service`, /^[\w:.@-]{1,255}$/);
  });

  it('read only variables that noisefold reads', () => {
    const said = [...textOf(worker).matchAll(/NOISEFOLD_\w+/g)].map(([name]) => name);
    assert.deepEqual(
      said.filter((name) => !ownVariables.has(name)),
      [],
    );
  });
});

const analyze = (...args: readonly string[]) => spawnSync('systemd-analyze', args, { encoding: 'utf8' });
const skip = analyze('--version').error === undefined ? false : 'systemd-analyze is not installed';

describe('systemd-analyze', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'noisefold-systemd-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  // A program that is there, as it is where noisefold is installed.
  mkdirSync(join(folder, 'bin'));
  const program = join(folder, 'bin/noisefold');
  writeFileSync(program, '#!/bin/sh\n');
  chmodSync(program, 0o755);
  const write = (unit: string, text = textOf(unit)): string => {
    const path = join(folder, unit);
    writeFileSync(path, text.replace('ExecStart=noisefold', `ExecStart=${program}`));
    return path;
  };

  it('verify: nothing to say', () => {
    const { status, stdout, stderr } = analyze('verify', '--man=no', ...units.map((unit) => write(unit)));
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
  });

  it('verify: finds what is no setting', () => {
    const { stderr } = analyze(
      'verify',
      '--man=no',
      write(coordinator, textOf(coordinator).replace('TimeoutStopSec', 'TimeoutStopSecs')),
    );
    assert.match(stderr, /TimeoutStopSecs/);
  });

  it('security: no more exposed than deploy/README.md says', () => {
    const page = read('deploy/README.md');
    for (const unit of services) {
      // Percents, so that the threshold is exact: 13 is an exposure of 1.3.
      const said = new RegExp(`\\| \`${unit.replace('.', '\\.')}\` \\| (\\d)\\.(\\d) \\|`).exec(page);
      assert.ok(said !== null, `deploy/README.md does not say how exposed ${unit} is`);
      const { status, stdout } = analyze(
        'security',
        '--offline=true',
        `--threshold=${Number(`${said[1] ?? ''}${said[2] ?? ''}`)}`,
        '--no-pager',
        write(unit),
      );
      assert.equal(status, 0, stdout);
    }
  });
});
