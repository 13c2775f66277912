/** What the coordinator counts, on prom-client. docs/metrics.md describes every metric, and a test holds the two together. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What is read when somebody asks. */
export interface Levels {
  readonly tasks: readonly { readonly study: string; readonly status: string; readonly count: number }[];
  readonly studies: readonly { readonly status: string; readonly count: number }[];
  readonly workers: readonly { readonly status: string; readonly count: number }[];
  /** How many workers would have something to do. */
  readonly wantedWorkers: number;
  readonly queues: Readonly<Record<string, number>>;
  /** `database`, `artifacts`. */
  readonly full: Readonly<Record<string, boolean>>;
}

export interface Metrics {
  /** A clock for durations, in milliseconds; its zero means nothing. */
  now(): number;
  /** Rows changed, and the seconds that it took until they were durable. */
  committed(rows: number, seconds: number): void;
  /** From a message's arrival to the sending of the task that it led to. */
  dispatched(seconds: number): void;
  fenced(message: string): void;
  /** What found no room in a queue, or could not be decoded. */
  dropped(reason: 'full' | 'malformed'): void;
  blob(direction: 'in' | 'out', bytes: number): void;
  collected(blobs: number): void;
  /** @param levels called at every scrape */
  watch(levels: () => Levels): void;
  /** In Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

const seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** @param now such as performance.now */
export function createMetrics(now: () => number): Metrics {
  const registry = new Registry();
  const registers = [registry];
  let levels: () => Levels = () => ({ tasks: [], studies: [], workers: [], wantedWorkers: 0, queues: {}, full: {} });

  const counter = (name: string, help: string, labelNames: string[] = []): Counter =>
    new Counter({ name: `noisefold_${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string): Histogram =>
    new Histogram({ name: `noisefold_${name}`, help, buckets: seconds, registers });
  const gauge = (name: string, help: string, labelNames: string[], read: (gauge: Gauge, levels: Levels) => void): Gauge =>
    new Gauge({
      ...{ name: `noisefold_${name}`, help, labelNames, registers },
      collect() {
        this.reset();
        read(this, levels());
      },
    });

  gauge('tasks', 'Tasks of a study by status.', ['study', 'status'], (to, { tasks }) => {
    for (const { study, status, count } of tasks) to.set({ study, status }, count);
  });
  gauge('studies', 'Studies by status; broken: the database failed.', ['status'], (to, { studies }) => {
    for (const { status, count } of studies) to.set({ status }, count);
  });
  gauge('workers', 'Connected workers by status.', ['status'], (to, { workers }) => {
    for (const { status, count } of workers) to.set({ status }, count);
  });
  gauge('wanted_workers', 'Workers that would have something to do: tasks that wait or are held.', [], (to, levels) => {
    to.set(levels.wantedWorkers);
  });
  gauge('queue_length', 'What waits, by queue; every queue is bounded.', ['queue'], (to, { queues }) => {
    for (const [queue, length] of Object.entries(queues)) to.set({ queue }, length);
  });
  gauge('disk_full', '1 while nothing can be written: the database or the artifacts.', ['where'], (to, { full }) => {
    for (const [where, is] of Object.entries(full)) to.set({ where }, is ? 1 : 0);
  });
  const events = counter('events_committed_total', 'Changes of tasks and studies made durable.');
  const commit = histogram('commit_seconds', 'Time of one turn’s commit, fsync included.');
  const dispatch = histogram('dispatch_seconds', 'Time from the arrival of a message to the sending of the task that it led to.');
  const fenced = counter('fenced_messages_total', 'Late messages of earlier attempts, which changed nothing.', ['message']);
  const dropped = counter('dropped_messages_total', 'Messages that could not be decoded, or found a queue full.', ['reason']);
  const bytes = counter('blob_bytes_total', 'Bytes of blobs received and sent in chunks.', ['direction']);
  const collected = counter('collected_blobs_total', 'Blobs deleted because nothing referred to them.');

  return {
    now,
    committed(rows, took) {
      events.inc(rows);
      commit.observe(took);
    },
    dispatched: (took) => dispatch.observe(took),
    fenced: (message) => fenced.inc({ message }),
    dropped: (reason) => dropped.inc({ reason }),
    blob: (direction, count) => bytes.inc({ direction }, count),
    collected: (blobs) => collected.inc(blobs),
    watch: (read) => void (levels = read),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
