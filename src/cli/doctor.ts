/** `noisefold doctor`: what this machine can train on, what is missing for more, and whether what is there computes the right numbers. */
import { execFile, fork } from 'node:child_process';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import pc from 'picocolors';
import type { CommandModule } from 'yargs';
import { NoisefoldError } from '../base/errors.ts';
import type { DeviceName, EngineName } from '../config/types.ts';
import type { CommonArguments } from './context.ts';
import { version } from './version.ts';

/** What was found about an engine on a device. */
export type EngineFinding = { readonly engine: EngineName; readonly device: string } & (
  | {
      readonly state: 'works';
      readonly version: string;
      /** Of the self-test. */ readonly ms: number;
      readonly bitExact: boolean;
    }
  /** Not installed, or nothing here that it runs on; the hint says what adds it. */
  | { readonly state: 'missing'; readonly reason: string; readonly hint?: string }
  /** Installed, but it fails or computes something else. */
  | { readonly state: 'broken'; readonly reason: string; readonly version?: string; readonly hint?: string }
);

export interface Gpu {
  readonly name: string;
  readonly memory: string;
  readonly driver: string;
}

/** All that doctor says, as `--json` prints it. */
export interface Diagnosis {
  readonly noisefold: string;
  readonly node: string;
  readonly platform: string;
  readonly cpu: { readonly model: string; readonly cores: number; readonly memoryBytes: number };
  /** By nvidia-smi. */
  readonly gpus: readonly Gpu[];
  /** What `auto` is here. */
  readonly auto: { readonly engine: EngineName; readonly device: string } | undefined;
  readonly engines: readonly EngineFinding[];
}

const checks: readonly (readonly [engine: EngineName, device: DeviceName])[] = [
  ['onnx', 'cpu'],
  ['onnx', 'webgpu'],
  ['onnx', 'cuda'],
  ['tensorflow', 'auto'],
  ['tensorflow-eager', 'auto'],
  ['wasm', 'auto'],
  ['cpu', 'auto'],
];

export const doctorCommand: CommandModule<CommonArguments, CommonArguments & { json: boolean }> = {
  command: 'doctor',
  describe: 'List devices and engines, what is missing, and test every engine that is there',
  builder: (yargs) => yargs.option('json', { type: 'boolean', default: false, describe: 'Print JSON' }),
  handler: async ({ json, quiet }) => {
    const findings: EngineFinding[] = [];
    for (const [engine, device] of checks) {
      if (!json && !quiet && process.stderr.isTTY) process.stderr.write(`testing ${engine} on ${device} ...\r`);
      findings.push(await checkEngine(engine, device));
    }
    const auto = await checkEngine('auto', 'auto');
    const diagnosis: Diagnosis = {
      noisefold: version,
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
      cpu: { model: cpus()[0]?.model.trim() ?? 'unknown', cores: availableParallelism(), memoryBytes: totalmem() },
      gpus: await nvidiaGpus(),
      auto: auto.state === 'works' ? { engine: auto.engine, device: auto.device } : undefined,
      engines: findings,
    };
    process.stdout.write(json ? `${JSON.stringify(diagnosis, undefined, 2)}\n` : render(diagnosis));
    const broken = findings.filter(({ state }) => state === 'broken');
    if (broken.length > 0 || diagnosis.auto === undefined)
      throw new NoisefoldError(
        'ENGINE_FAILED',
        broken.length > 0
          ? `broken: ${broken.map(({ engine, device }) => `${engine} on ${device}`).join(', ')}`
          : 'no engine works here',
        { hint: 'Train with another engine (workers.engine, workers.device) until it is mended.' },
      );
  },
};

/** Two minutes: a software Vulkan compiles shaders for many seconds. */
const limitMs = 120_000;

/** Checks an engine in a process of its own. */
async function checkEngine(engine: EngineName, device: DeviceName): Promise<EngineFinding> {
  const script = fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? './doctor-process.ts' : './doctor-process.js', import.meta.url),
  );
  const child = fork(script, [engine, device], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  let finding: EngineFinding | undefined;
  child.on('message', (message) => (finding = message as EngineFinding));
  const how = await new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(signal === null ? `exit code ${String(code)}` : signal));
  });
  clearTimeout(timer);
  return finding ?? { engine, device, state: 'broken', reason: `its process was ended by ${how}` };
}

/** None where nvidia-smi is not there or fails. */
function nvidiaGpus(): Promise<Gpu[]> {
  const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader'];
  return new Promise((resolve) => {
    execFile('nvidia-smi', query, { timeout: 10_000 }, (error, stdout) => resolve(error ? [] : parseGpus(stdout)));
  });
}

/** The lines that nvidia-smi prints, one a GPU. */
export const parseGpus = (text: string): Gpu[] =>
  text
    .split('\n')
    .map((line) => line.split(',').map((part) => part.trim()))
    .flatMap(([name = '', memory = '', driver = '']) => (name === '' ? [] : [{ name, memory, driver }]));

/** The diagnosis for a terminal. */
export function render({ noisefold, node, platform, cpu, gpus, auto, engines }: Diagnosis): string {
  const gpuLines = gpus.map(({ name, memory, driver }) => `GPU  ${name}, ${memory}, driver ${driver}`);
  const lines = [
    `noisefold ${noisefold}, Node ${node}, ${platform}`,
    `CPU  ${cpu.model}, ${cpu.cores} cores, ${(cpu.memoryBytes / 2 ** 30).toFixed(0)} GiB`,
    ...(gpuLines.length > 0 ? gpuLines : ['GPU  none by nvidia-smi']),
    '',
    ...engines.flatMap(engineLines),
    '',
    auto === undefined ? 'No engine works here.' : `engine auto, device auto: ${auto.engine} on ${auto.device}`,
  ];
  return `${lines.join('\n')}\n`;
}

function engineLines(finding: EngineFinding): string[] {
  const head = `${finding.engine.padEnd(17)} ${(finding.device === 'auto' ? '' : finding.device).padEnd(7)} `;
  const indent = ' '.repeat(head.length + 9);
  switch (finding.state) {
    case 'works': {
      const bytes = finding.bitExact ? '' : ', bytes not promised';
      return [`${head}${pc.green('works')}    self-test ${finding.ms.toFixed(0)} ms, ${finding.version}${bytes}`];
    }
    case 'missing':
    case 'broken': {
      const word = finding.state === 'missing' ? 'missing  ' : `${pc.red('broken')}   `;
      return [`${head}${word}${finding.reason}`, ...(finding.hint === undefined ? [] : [`${indent}${finding.hint}`])];
    }
    default:
      return finding satisfies never;
  }
}
