/** Checks that span sections. Each is made as soon as the sections it needs are right, whatever is wrong in the others. */
import { pairProblem } from './engine.ts';
import { cardinality, isDistribution, parameters } from './parameters.ts';
import { rungEpochs } from './rungs.ts';
import type { Problem } from './source.ts';
import type { SweepConfig } from './types.ts';

/** The sections that were right. */
export type Sections = Partial<Pick<SweepConfig, 'noise' | 'model' | 'training' | 'features' | 'search' | 'workers'>>;

export const sectionProblems = (sections: Sections): readonly Problem[] => [
  ...gridProblems(sections),
  ...halvingProblems(sections),
  ...layerProblems(sections),
  ...pairProblems(sections),
];

/** A grid needs values that can be listed, and not more of them than trials were allowed. */
function gridProblems({ search, ...sections }: Sections): readonly Problem[] {
  if (search?.sampler !== 'grid') return [];
  const searched = parameters(sections).filter(({ space }) => isDistribution(space));
  const continuous = searched.filter(({ space }) => cardinality(space) === Infinity);
  if (continuous.length > 0)
    return continuous.map(({ path }) => ({
      path,
      message: 'a grid cannot list a continuous range (write {choice: [...]}, or use the sampler `sobol`)',
    }));
  const complete = sections.noise !== undefined && sections.model !== undefined && sections.training !== undefined;
  const points = searched.reduce((product, { space }) => product * cardinality(space), 1);
  if (!complete || points <= search.trials) return [];
  const factors = searched.map(({ name, space }) => `${name} ${cardinality(space)}`).join(' x ');
  return [
    {
      path: ['search', 'trials'],
      message: `the grid has ${points} points (${factors}), more than ${search.trials} trials (raise \`trials\` or list fewer values)`,
    },
  ];
}

/** Rungs are shares of one number of epochs, and there must be two of them. */
function halvingProblems({ search, training }: Sections): readonly Problem[] {
  const halving = search?.halving;
  if (halving === undefined || training === undefined) return [];
  const { epochs } = training;
  if (typeof epochs !== 'number')
    return [
      {
        path: ['training', 'epochs'],
        message:
          'with `search.halving` the rungs decide how long a trial is trained (give one number of epochs, that of the last rung)',
      },
    ];
  const { factor, rungs } = halving;
  const budgets = rungEpochs(epochs, factor, rungs);
  if (budgets.length === rungs) return [];
  return [
    {
      path: ['search', 'halving'],
      message: `${epochs} epochs, divided by ${factor}, have no ${rungs} rungs, only ${budgets.join(', ')} (raise \`training.epochs\`, or lower \`rungs\` or \`factor\`)`,
    },
  ];
}

/** A layer that is a feature must exist in every network that could be drawn. */
function layerProblems({ model, features }: Sections): readonly Problem[] {
  if (model === undefined || features === undefined || typeof features.layers === 'string') return [];
  const space = model.layers;
  const fewest = !isDistribution(space)
    ? space
    : 'choice' in space
      ? Math.min(...space.choice.map(Number))
      : 'integer' in space
        ? space.integer[0]
        : undefined;
  if (fewest === undefined) return [];
  return features.layers.flatMap((layer, i) =>
    layer < fewest
      ? []
      : [
          {
            path: ['features', 'layers', i],
            message: `a network here may have ${fewest} layers, so the last index is ${fewest - 1} (lower it, or use \`last\`)`,
          },
        ],
  );
}

function pairProblems({ workers }: Sections): readonly Problem[] {
  const message = workers === undefined ? undefined : pairProblem(workers);
  return message === undefined ? [] : [{ path: ['workers', 'device'], message }];
}
