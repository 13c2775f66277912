/** `npm run fuzz -- --seconds 60 --seed 1 [codec|sockets]`: exits with 1 and the inputs if something was found. */
import { parseArgs } from 'node:util';
import { fuzzCodec, type Findings } from './codec.ts';
import { startCoverage } from './coverage.ts';
import { fuzzSockets } from './sockets.ts';

const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: String(Date.now() % 2 ** 31) } },
  allowPositionals: true,
});
const seconds = Number(values.seconds);
const seed = Number(values.seed);
const targets = positionals.length > 0 ? positionals : ['codec', 'sockets'];
let failed = false;
console.log(`seed ${seed}, ${seconds} s each`);

if (targets.includes('codec')) {
  const line = (f: Findings): string =>
    `codec: ${f.runs} frames, ${f.decoded} decoded, corpus ${f.corpus}, ${f.blocks} blocks, ${f.maxHeapMiB} MiB, ${f.failures.length} failures`;
  const coverage = startCoverage((url) => /\/src\/wire\/|\/protobufjs\//.test(url));
  const findings = fuzzCodec(seconds, seed, coverage, (so) => console.log(line(so)));
  coverage.stop();
  console.log(line(findings));
  for (const { input, error } of findings.failures) console.log(`${input}\n${error}`);
  failed ||= findings.failures.length > 0;
}
if (targets.includes('sockets')) {
  const findings = await fuzzSockets(seconds, seed);
  console.log(`sockets: ${JSON.stringify(findings.counts)}, ${findings.failures.length} failures`);
  for (const failure of findings.failures) console.log(failure);
  failed ||= findings.failures.length > 0;
}
process.exit(failed ? 1 : 0);
