/** The phases of a worker's session and the ways between them. docs/architecture.md draws this table; session.ts is the only one that moves along it. */
import { NoisefoldError } from '../base/errors.ts';

/**
 * `joining`: says hello until it is welcomed. `probing`: a canary runs. `fetching`: what the task needs is on its way here. `running`: its process runs.
 * `interrupted`: the process was asked to checkpoint and end. `cancelled`: it was killed, and what it still says is not news. `storing`: it has ended, and
 * its last checkpoint is on its way to the coordinator.
 */
export const sessionPhases = [
  'joining',
  'idle',
  'probing',
  'fetching',
  'running',
  'interrupted',
  'cancelled',
  'storing',
  'ended',
] as const;
export type SessionPhase = (typeof sessionPhases)[number];

/** From each phase to those that may follow. */
export const sessionTransitions: Readonly<Record<SessionPhase, readonly SessionPhase[]>> = {
  joining: ['idle', 'ended'],
  idle: ['probing', 'fetching', 'ended'],
  probing: ['idle', 'ended'],
  fetching: ['running', 'storing', 'idle', 'ended'],
  running: ['interrupted', 'cancelled', 'storing', 'ended'],
  interrupted: ['cancelled', 'storing', 'ended'],
  cancelled: ['idle', 'ended'],
  storing: ['idle', 'ended'],
  ended: [],
};

/** The session in its next phase. Throws INTERNAL where the table knows no such way. */
export function entered<S extends { readonly phase: SessionPhase }>(session: S, phase: SessionPhase, change: Partial<S> = {}): S {
  if (!sessionTransitions[session.phase].includes(phase))
    throw new NoisefoldError('INTERNAL', `a worker's session cannot go from ${session.phase} to ${phase}`);
  return { ...session, ...change, phase };
}
