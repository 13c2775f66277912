/** What a wider plan of the same study adds: samplers give the same first trials whatever their number. */
import { NoisefoldError } from '../base/errors.ts';
import { canonicalJson } from '../base/json.ts';
import type { Plan } from './types.ts';

/** The trials and tasks of `wider` that `known` lacks, in order. Throws STORE_FAILED if one is in both with other contents. */
export function additions(known: Plan, wider: Plan): Plan {
  return { trials: lacking(known.trials, wider.trials), tasks: lacking(known.tasks, wider.tasks) };
}

function lacking<T extends { readonly id: string }>(known: readonly T[], wider: readonly T[]): T[] {
  const byId = new Map(known.map((row) => [row.id, row]));
  return wider.filter((row) => {
    const before = byId.get(row.id);
    if (before !== undefined && canonicalJson(before) !== canonicalJson(row))
      throw new NoisefoldError('STORE_FAILED', `${row.id} is planned differently now`, {
        hint: 'Give the new study another name.',
      });
    return before === undefined;
  });
}
