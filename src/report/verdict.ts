/** What the best trial means, in sentences. */
import { percent } from '../base/units.ts';
import type { Difference, RankedTrial } from '../rank/types.ts';
import { selectionNote } from '../rank/rank.ts';
import { isBetter, relative } from './model.ts';

const p = (value: number): string => (value < 0.001 ? 'p < 0.001' : `p = ${value.toFixed(value < 0.1 ? 3 : 2)}`);

/**
 * The best trained trial against both baselines, the number of trials that tie with it, and that its score is optimistic. One sentence a
 * line of the result; empty where no trained trial was scored.
 */
export function verdict(ranking: readonly RankedTrial[]): readonly string[] {
  const trained = ranking.filter(({ kind }) => kind === 'trained');
  const [best] = trained;
  if (best === undefined) return [];
  const against = [
    ...comparison(best, best.toUntrained, 'the untrained network'),
    ...comparison(best, best.toRaw, 'ridge on the raw inputs'),
  ];
  const sentences = [`${best.id} is ${against.length > 0 ? against.join(' and ') : 'the best trial'}.`];
  sentences.push(...edge(best, 'Its alpha'));
  for (const { id } of [best.toUntrained && { id: best.untrained }, best.toRaw && { id: 'raw' }].flatMap(
    (other) => other ?? [],
  )) {
    const baseline = ranking.find((trial) => trial.id === id);
    if (baseline !== undefined) sentences.push(...edge(baseline, `The alpha of ${baseline.id}`));
  }
  const leader = ranking[0];
  if (leader !== undefined && leader.kind !== 'trained')
    sentences.push(
      leader.kind === 'raw'
        ? `No trial beats ridge on the raw inputs (${leader.id}): a wider network, more epochs, or features.inputs: true may.`
        : `No trial beats the untrained network (${leader.id}).`,
    );
  else if (trained.length > 1) {
    const ties = trained.filter((trial) => trial !== best && trial.tie).length;
    if (ties === 0) sentences.push('No other trial ties with it.');
    else
      sentences.push(`${ties} other ${ties === 1 ? 'trial ties' : 'trials tie'} with it (=): the folds cannot tell them apart.`);
    sentences.push(selectionNote);
  }
  return sentences;
}

/** A best penalty at the end of the grid may not be the best there is. */
function edge({ alpha, score: { alphas, best } }: RankedTrial, subject: string): string[] {
  if (alphas.length < 2 || (best > 0 && best < alphas.length - 1)) return [];
  const [end, more] = best === 0 ? ['smallest', 'smaller'] : ['largest', 'larger'];
  return [`${subject}, ${alpha}, is the ${end} that was tried: ${more} ones in ridge.alphas may do better.`];
}

/** `10.4 % better than the untrained network (p = 0.003)`; nothing where there is nothing to compare with. */
function comparison(trial: RankedTrial, difference: Difference | undefined, other: string): string[] {
  if (difference === undefined) return [];
  if (difference.mean === 0) return [`no better than ${other}`];
  const word = isBetter(trial.metric, difference.mean) ? 'better' : 'worse';
  const doubt = difference.p < 0.05 ? p(difference.p) : `${p(difference.p)}: within the noise of the folds`;
  const note = Number.isFinite(difference.p) ? ` (${doubt})` : '';
  return [`${percent(Math.abs(relative(trial.mean, difference)))} ${word} than ${other}${note}`];
}
