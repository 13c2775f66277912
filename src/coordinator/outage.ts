/**
 * A full disk is no end: nothing that changes a row is done, and what asks for one waits here, the latest of each kind from each sender. Every second it
 * is tried whether space is back, by doing it.
 */
import type { NoisefoldError } from '../base/errors.ts';
import type { Log } from '../base/ports.ts';
import type { Item } from './inbox.ts';

type EventItem = Extract<Item, { type: 'event' }>;

export interface Outage {
  isOn(): boolean;
  error(): NoisefoldError | undefined;
  reason(): string | undefined;
  begin(error: NoisefoldError): void;
  end(): void;
  /** Keeps it for later; what finds no room is repeated by its sender. Ticks come again by themselves. */
  defer(item: EventItem): void;
  /** In order. */
  waiting(): readonly EventItem[];
  length(): number;
}

const capacity = 10_000;

export function createOutage({
  log,
  onChange,
}: {
  readonly log: Log;
  readonly onChange?: ((full: boolean) => void) | undefined;
}): Outage {
  let error: NoisefoldError | undefined;
  const backlog = new Map<string, EventItem>();

  return {
    isOn: () => error !== undefined,
    error: () => error,
    reason: () => (error === undefined ? undefined : `the disk is full: ${error.message}`),
    begin(why) {
      if (error === undefined) {
        log.log('error', 'the disk is full: nothing goes on until there is space', { error: why.message, where: why.where });
        onChange?.(true);
      }
      error = why;
    },
    end() {
      if (error === undefined) return;
      error = undefined;
      backlog.clear();
      log.log('info', 'there is space again: everything goes on');
      onChange?.(false);
    },
    defer(item) {
      const { event } = item;
      if (event.type === 'tick') return;
      const key = keyOf(item);
      if (backlog.get(key) === item) return;
      // The latest, but in the place of the first: what a worker says later came after it.
      const known = backlog.get(key);
      if (known === undefined && backlog.size >= capacity) {
        item.release?.();
        return;
      }
      known?.release?.();
      backlog.set(key, item);
    },
    waiting: () => [...backlog.values()],
    length: () => backlog.size,
  };
}

function keyOf({ event, peer }: EventItem): string {
  const of = 'task' in event ? [event.study, event.task, event.attempt] : 'study' in event ? [event.study] : [];
  return [peer ?? ('worker' in event ? event.worker : ''), event.type, ...of].join(' ');
}
