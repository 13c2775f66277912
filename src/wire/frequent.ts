/**
 * The messages that come most often, checked by hand, since zod takes many times as long. What is well-formed here is so by schema.ts: a property test holds the
 * two together. What is not may still be, and is left to schema.ts, which also has the words for what is wrong.
 */
import { studyName } from '../config/schema/sweep.ts';
import type { WorkerMessage } from './messages.ts';

type Members = Readonly<Record<string, unknown>>;

const ascii = /^[ -~]+$/;
const sha256 = /^[0-9a-f]{64}$/;
const phases: ReadonlySet<unknown> = new Set(['starting', 'training', 'scoring']);

/** Whether it is a heartbeat or a checkpoint, and plainly well-formed. */
export function isFrequent(message: unknown): message is Extract<WorkerMessage, { type: 'checkpointed' | 'heartbeat' }> {
  if (!isObject(message)) return false;
  switch (message['type']) {
    case 'checkpointed':
      return isLease(message) && isText(message['hash'], sha256) && isCount(message['step']);
    case 'heartbeat': {
      const { running } = message;
      if (running === undefined) return 'running' in message;
      return isObject(running) && isLease(running) && isProgress(running['progress']);
    }
    default:
      return false;
  }
}

const isLease = ({ study, task, attempt }: Members): boolean =>
  isText(study, studyName) && isText(task, ascii) && task.length <= 512 && isUint32(attempt);

function isProgress(progress: unknown): boolean {
  if (!isObject(progress)) return false;
  const { phase, step, toStep, epoch, epochs, loss, rowsPerSecond, secondsLeft } = progress;
  return (
    phases.has(phase) &&
    isCount(step) &&
    isCount(toStep) &&
    isUint32(epoch) &&
    isUint32(epochs) &&
    'loss' in progress &&
    (loss === undefined || typeof loss === 'number') &&
    isNotNegative(rowsPerSecond) &&
    'secondsLeft' in progress &&
    (secondsLeft === undefined || isNotNegative(secondsLeft))
  );
}

const isObject = (value: unknown): value is Members => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown, pattern: RegExp): value is string => typeof value === 'string' && pattern.test(value);
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isUint32 = (value: unknown): boolean => isCount(value) && (value as number) <= 0xffff_ffff;
const isNotNegative = (value: unknown): boolean => Number.isFinite(value) && (value as number) >= 0;
