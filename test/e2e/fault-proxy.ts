/** A TCP proxy that can do to a connection what networks do: delay it, swallow everything without a word, reset it. */
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type Fault = 'none' | 'blackhole' | 'refuse';

export interface FaultProxy {
  readonly address: string;
  /** Of what is sent from now on. `blackhole`: connections stand, and nothing arrives; `refuse`: new connections are reset. */
  set(fault: Fault): void;
  /** Milliseconds that every piece takes, each way. */
  delay(ms: number): void;
  /** Resets all connections that stand. */
  reset(): void;
  /** Bytes passed on so far, from and to the coordinator. */
  passed(): { readonly up: number; readonly down: number };
  /** Resolves when so many more bytes have gone this way; what comes after waits for `decide`, which is called at once. */
  after(bytes: number, way: 'up' | 'down', decide: () => void): void;
  connections(): number;
  close(): void;
}

export async function startFaultProxy(port: number): Promise<FaultProxy> {
  let fault: Fault = 'none';
  let delayMs = 0;
  const pairs = new Set<readonly [Socket, Socket]>();
  const passed = { up: 0, down: 0 };
  let trigger: { way: 'up' | 'down'; at: number; decide: () => void } | undefined;

  /** In order, and one piece at a time, so that a delayed or swallowed piece never lets a later one overtake it. */
  function pass(from: Socket, to: Socket, way: 'up' | 'down'): void {
    let line = Promise.resolve();
    from.on('data', (piece: Buffer) => {
      from.pause();
      line = line.then(async () => {
        if (delayMs > 0) await sleep(delayMs);
        if (trigger?.way === way && passed[way] + piece.length >= trigger.at) {
          const { decide } = trigger;
          trigger = undefined;
          decide();
        }
        if (fault === 'blackhole') return;
        if (!to.destroyed) {
          passed[way] += piece.length;
          to.write(piece);
        }
        from.resume();
      });
    });
  }

  const server = createServer((near) => {
    if (fault === 'refuse') {
      near.resetAndDestroy();
      return;
    }
    const distant = connect(port, '127.0.0.1');
    const pair = [near, distant] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', end).on('close', end);
    }
    pass(near, distant, 'up');
    pass(distant, near, 'down');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const listening = server.address();
  const own = typeof listening === 'object' && listening !== null ? listening.port : 0;

  return {
    address: `tcp://127.0.0.1:${own}`,
    set: (next) => void (fault = next),
    delay: (ms) => void (delayMs = ms),
    reset() {
      for (const pair of [...pairs]) for (const socket of pair) socket.resetAndDestroy();
    },
    passed: () => ({ ...passed }),
    after: (bytes, way, decide) => void (trigger = { way, at: passed[way] + bytes, decide }),
    connections: () => pairs.size,
    close() {
      server.close();
      for (const pair of [...pairs]) for (const socket of pair) socket.destroy();
    },
  };
}
