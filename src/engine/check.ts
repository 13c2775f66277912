/** What every engine refuses: arrays that do not fit the network. */
import { NoisefoldError } from '../base/errors.ts';
import type { TrainingState } from './engine.ts';

/** Throws MODEL_SHAPE unless the array has so many numbers. */
export function checkLength(what: string, array: Float32Array, expected: number): void {
  if (array.length !== expected) throw new NoisefoldError('MODEL_SHAPE', `${what} has ${array.length} numbers, not ${expected}`);
}

/** Throws MODEL_SHAPE unless the weights and both moments have so many numbers. */
export function checkState({ weights, firstMoment, secondMoment }: TrainingState, parameters: number): void {
  checkLength('the weight vector', weights, parameters);
  checkLength('the first moment', firstMoment, parameters);
  checkLength('the second moment', secondMoment, parameters);
}
