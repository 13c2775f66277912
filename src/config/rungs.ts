/** The budgets of successive halving, in epochs. */

/** From the whole training downwards, each rung a `factor`-th of the one above, rounded, for as long as that is not below `minEpochs`: 27, 9, 3 for a factor of 3. Ascending. */
export function rungEpochs(epochs: number, factor: number, minEpochs: number): readonly number[] {
  const rungs = [epochs];
  for (let budget = epochs / factor; Math.round(budget) >= minEpochs; budget /= factor) {
    const rounded = Math.round(budget);
    // Half an epoch is rounded to the one that is there already.
    if (rounded >= (rungs[0] ?? 0)) break;
    rungs.unshift(rounded);
  }
  return rungs;
}
