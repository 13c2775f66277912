/** Two hosts on one machine: network namespaces with a cable between them. And folders of their own small disks. Both need root on Linux. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

const succeeds = (program: string, ...args: readonly string[]): boolean => spawnSync(program, args).status === 0;

function must(program: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

export interface Host {
  readonly address: string;
  /** The command that runs another one on this host. */
  readonly under: readonly string[];
}

export interface Hosts {
  readonly a: Host;
  readonly b: Host;
  link(state: 'up' | 'down'): void;
  close(): void;
}

const isRoot = process.getuid?.() === 0;

/** Why there can be none; false where there can. */
export function noHosts(): string | false {
  if (!isRoot) return 'network namespaces need root';
  const name = `nf-try-${process.pid}`;
  if (!succeeds('ip', 'netns', 'add', name)) return 'network namespaces are not to be had here (ip netns add)';
  const works = succeeds('ip', '-n', name, 'link', 'add', 'x', 'type', 'veth', 'peer', 'name', 'y');
  succeeds('ip', 'netns', 'del', name);
  return works ? false : 'virtual cables are not to be had here (ip link add type veth)';
}

let pairs = 0;

export function twoHosts(): Hosts {
  const [a, b] = ['a', 'b'].map((end) => `nf-${process.pid}-${pairs}-${end}`) as [string, string];
  pairs++;
  for (const name of [a, b]) must('ip', 'netns', 'add', name);
  must('ip', '-n', a, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', b);
  for (const [name, address] of [
    [a, '10.77.0.1/24'],
    [b, '10.77.0.2/24'],
  ] as const) {
    must('ip', '-n', name, 'addr', 'add', address, 'dev', 'cable');
    must('ip', '-n', name, 'link', 'set', 'lo', 'up');
    must('ip', '-n', name, 'link', 'set', 'cable', 'up');
  }
  return {
    a: { address: '10.77.0.1', under: ['ip', 'netns', 'exec', a] },
    b: { address: '10.77.0.2', under: ['ip', 'netns', 'exec', b] },
    link: (state) => must('ip', '-n', b, 'link', 'set', 'cable', state),
    close() {
      for (const name of [a, b]) succeeds('ip', 'netns', 'del', name);
    },
  };
}

/** Why there can be none; false where there can. */
export function noSmallDisks(at: string): string | false {
  if (!isRoot) return 'mounting a small disk needs root';
  mkdirSync(at, { recursive: true });
  const works = succeeds('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', at);
  if (works) must('umount', at);
  return works ? false : 'small disks are not to be had here (mount -t tmpfs)';
}

export interface SmallDisk {
  resize(bytes: number): void;
  close(): void;
}

/** A folder with a disk of so many bytes. */
export function smallDisk(at: string, bytes: number): SmallDisk {
  mkdirSync(at, { recursive: true });
  must('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', at);
  return {
    resize: (size) => must('mount', '-o', `remount,size=${size}`, at),
    close: () => void succeeds('umount', '-l', at),
  };
}
