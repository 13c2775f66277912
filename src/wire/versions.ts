/** What a peer of another version is told. A coordinator asks before it looks at anything else in a hello or a request. */
import { protocolVersion, type FromCoordinator, type ToCoordinator } from './messages.ts';

/**
 * The answer that refuses a hello or a request in another protocol, with code WIRE_VERSION and which side to upgrade; undefined for a message to go on
 * with. `version` is the coordinator's, for people.
 */
export function versionRefusal(message: ToCoordinator, version: string): FromCoordinator | undefined {
  if (message.type === 'hello' && message.protocol !== protocolVersion)
    return { type: 'refuse', code: 'WIRE_VERSION', reason: reason('worker', message.protocol, version, message.version) };
  if (message.type === 'request' && message.protocol !== protocolVersion) {
    const body = {
      type: 'error',
      code: 'WIRE_VERSION',
      message: reason('client', message.protocol, version),
      hint: undefined,
    } as const;
    return { type: 'reply', request: message.request, body };
  }
  return undefined;
}

function reason(peer: 'worker' | 'client', protocol: number, ours: string, theirs?: string): string {
  const older = protocol < protocolVersion ? peer : 'coordinator';
  return (
    `the ${peer}${theirs === undefined ? '' : ` (noisefold ${theirs})`} speaks protocol ${protocol}, ` +
    `the coordinator (noisefold ${ours}) protocol ${protocolVersion}: upgrade the ${older}`
  );
}
