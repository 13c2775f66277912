/** A study's trials and tasks, all of them before anything runs. */
import { NoisefoldError } from '../base/errors.ts';
import { canonicalJson } from '../base/json.ts';
import { isDistribution, parameters } from '../config/parameters.ts';
import type { SweepConfig, TrialConfig } from '../config/types.ts';
import type { EncodedLayout } from '../dataset/types.ts';
import { sample } from '../search/sample.ts';
import { searchSpace } from '../search/space.ts';
import { fixTrial, swapParameter } from './fix.ts';
import { rungsOf, taskId } from './rungs.ts';
import type { Plan, Task, TaskFold, Trial } from './types.ts';

/**
 * The plan of a study: the baselines first (`raw`, then `untrained-1` ... for each distinct network and choice of features, in the order
 * in which trials need them), then `trial-0001` ... as sampled; one task each, or one for each fold. With successive halving these are the tasks of the first
 * rung; those of the others follow from its results (scheduler/rungs.ts).
 * @param data the layout, and how many rows train an autoencoder: all of them, labelled or not, or `foldRows`, those of each fold
 * @throws NoisefoldError CONFIG_INVALID or MODEL_SHAPE (see fixTrial, sample, stepsPerEpoch); CONFIG_INVALID also if a swap probability is
 * searched that no column takes, since its trials would be one and the same
 */
export function planStudy(config: SweepConfig, data: PlanData): Plan {
  requireEffect(config, data.layout);
  const untrained = new Map<string, Trial>();
  const trained = sample(searchSpace(config), config.search.sampler, config.search.trials, config.seed).map(
    (parameters, i): Trial => {
      const fixed = fixTrial(config, parameters, data.layout);
      const network = canonicalJson([fixed.model, fixed.features]);
      const baseline = untrained.get(network) ?? {
        id: `untrained-${untrained.size + 1}`,
        kind: 'untrained',
        parameters: {},
        config: stopped(fixed),
      };
      untrained.set(network, baseline);
      return {
        id: `trial-${String(i + 1).padStart(4, '0')}`,
        kind: 'trained',
        parameters,
        config: fixed,
        untrained: baseline.id,
      };
    },
  );
  const [first] = trained;
  if (first === undefined) throw new NoisefoldError('CONFIG_INVALID', 'the study has no trials', { where: 'search.trials' });
  const trials: readonly Trial[] = [
    { id: 'raw', kind: 'raw', parameters: {}, config: stopped(first.config) },
    ...untrained.values(),
    ...trained,
  ];
  const firstRung = rungsOf(config)?.epochs[0];
  return { trials, tasks: trials.flatMap((trial) => tasksOf(trial, data, firstRung)) };
}

export interface PlanData {
  readonly layout: EncodedLayout;
  readonly rows: number;
  /** With the inductive protocol: the training rows of each fold. */
  readonly foldRows?: readonly number[] | undefined;
}

/**
 * Steps of one epoch: whole batches only, the rest of the rows sits the epoch out.
 * @throws NoisefoldError CONFIG_INVALID if there is not one whole batch
 */
export function stepsPerEpoch(rows: number, batchSize: number): number {
  if (batchSize > rows)
    throw new NoisefoldError('CONFIG_INVALID', `a batch of ${batchSize} rows is more than the ${rows} rows to train on`, {
      where: 'training.batchSize',
      hint: `Use at most ${rows}.`,
    });
  return Math.floor(rows / batchSize);
}

/** The network as it is at step 0. */
const stopped = (config: TrialConfig): TrialConfig => ({ ...config, training: { ...config.training, epochs: 0 } });

/**
 * A trial's tasks: one on all rows, or one for each fold. Throws as stepsPerEpoch.
 * @param firstRung epochs to train for at first, where that is not all of them
 */
export function tasksOf(
  { id, config }: Pick<Trial, 'id' | 'config'>,
  { rows, foldRows }: Omit<PlanData, 'layout'>,
  firstRung = Infinity,
): Task[] {
  const { batchSize } = config.training;
  const epochs = Math.min(config.training.epochs, firstRung);
  const taskOn = (fold: TaskFold, trained: number): Task => {
    const toStep = epochs * stepsPerEpoch(trained, batchSize);
    return { id: taskId(id, fold, 0, toStep), trial: id, fold, rung: 0, fromStep: 0, toStep };
  };
  return foldRows === undefined ? [taskOn('all', rows)] : foldRows.map((trained, fold) => taskOn(fold, trained));
}

function requireEffect(config: SweepConfig, layout: EncodedLayout): void {
  const space = config.noise.swapProbability;
  const used = new Set(layout.sources.map((source) => swapParameter(space, source)));
  // Columns are checked by fixTrial, which can say what was meant.
  const idle = parameters({ noise: config.noise }).filter(
    ({ name, space: values }) => isDistribution(values) && !used.has(name) && !name.startsWith('noise.columns.'),
  );
  if (idle.length > 0)
    throw new NoisefoldError(
      'CONFIG_INVALID',
      `searched, but no column takes its swap probability from it: ${idle.map(({ path }) => path.join('.')).join(', ')}`,
      {
        hint: 'Remove it or give it one number: its values would all train the same network.',
      },
    );
}
