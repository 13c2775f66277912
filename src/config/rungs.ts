/** The budgets of successive halving, in epochs. */

/**
 * So many rungs, from the whole training downwards, each a `factor`-th of the one above, rounded: 3, 9, 27 for three and a factor of 3. Ascending; fewer where there is less than
 * an epoch left to divide.
 */
export function rungEpochs(epochs: number, factor: number, rungs: number): readonly number[] {
  const budgets = Array.from({ length: rungs }, (_, below) => Math.round(epochs / factor ** below));
  return [...new Set(budgets.filter((budget) => budget >= 1))].reverse();
}
