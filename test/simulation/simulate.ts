/**
 * npm run simulate -- --seed N            one seed, with its transcript
 * npm run simulate -- --seeds N [--from M] many; the first that fails is told with its transcript
 * npm run simulate -- --mutations         plants each of the bugs of mutations.ts (--only TEXT: those whose name has it) and says which seed finds it
 */
import { parseArgs } from 'node:util';
import { simulate } from './simulation.ts';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    seed: text,
    seeds: text,
    from: text,
    mutations: { type: 'boolean' },
    only: text,
    quiet: { type: 'boolean' },
    calm: { type: 'boolean' },
  },
});
const whole = (value: string | undefined, otherwise: number): number =>
  value === undefined ? otherwise : Number.parseInt(value, 10);
const faults = values.calm !== true;

async function one(seed: number): Promise<boolean> {
  const { violation, events, simulatedMs, faults: kinds, transcript } = await simulate(seed, { record: true, faults });
  if (values.quiet !== true) for (const line of transcript) console.log(line);
  console.log(
    `seed ${seed}: ${violation ?? 'well'}; ${events} events, ${(simulatedMs / 1000).toFixed(1)} simulated seconds; ${kinds.join(', ')}`,
  );
  return violation === undefined;
}

async function many(from: number, count: number): Promise<boolean> {
  const started = performance.now();
  let events = 0;
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await simulate(seed, { faults });
    events += outcome.events;
    if (outcome.violation === undefined) continue;
    // Replayed, now with its transcript.
    await one(seed);
    return false;
  }
  console.log(`${count} seeds well, ${events} events, ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return true;
}

let well: boolean;
if (values.mutations === true) {
  const { runMutations } = await import('./mutations.ts');
  well = runMutations(whole(values.seeds, 400), values.only ?? '');
} else if (values.seed !== undefined) well = await one(whole(values.seed, 1));
else well = await many(whole(values.from, 1), whole(values.seeds, 100));
process.exitCode = well ? 0 : 1;
