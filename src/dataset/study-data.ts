/** A study's data as its tasks, its plan and its database need them, whichever the protocol. */
import { NoisefoldError } from '../base/errors.ts';
import { sha256 } from '../base/hash.ts';
import type { Matrix32 } from '../base/matrix.ts';
import type { StudyFeaturesConfig } from '../config/types.ts';
import { type PreparedFold, splitManifest } from './folds.ts';
import type { Prepared } from './prepare.ts';
import { encodePrepared } from './serialise.ts';
import type { EncodedLayout, PreparedData } from './types.ts';

type StudyData = Pick<Prepared, 'data' | 'preprocessor' | 'folds'>;

/** The encodings that networks of the study read: one, or one a fold. */
export const encodings = ({ data, preprocessor, folds }: StudyData): readonly Pick<PreparedFold, 'data' | 'preprocessor'>[] =>
  folds ?? [{ data, preprocessor }];

/** All rows in the encoding of each network of a trial. */
export const inputsOf = (study: StudyData): readonly Matrix32[] => encodings(study).map(({ data }) => data.inputs);

/** What a task of this fold works on. */
export function dataFor({ data, folds }: StudyData, fold: number | 'all'): PreparedData {
  const found = fold === 'all' ? (folds === undefined ? data : undefined) : folds?.[fold]?.data;
  if (found === undefined) throw new NoisefoldError('INTERNAL', `the study has no data for fold ${fold}`);
  return found;
}

/**
 * Throws MODEL_SHAPE where the folds' encoded inputs are part of features that are to be averaged, but are not the same columns: before
 * anything is trained, not after.
 */
export function requireAverageable(study: StudyData, { folds, inputs }: Pick<StudyFeaturesConfig, 'folds' | 'inputs'>): void {
  const widths = encodings(study).map(({ data }) => data.inputs.cols);
  if (folds !== 'average' || !inputs || widths.every((width) => width === widths[0])) return;
  throw new NoisefoldError('MODEL_SHAPE', `the folds have ${widths.join(', ')} encoded inputs, which cannot be averaged`, {
    where: 'features.folds',
    hint: 'A level or a column varies in the training rows of some folds only: use features.folds: concatenate, or features.inputs: false.',
  });
}

/** What planStudy needs. */
export const planData = ({
  data,
  folds,
}: StudyData): { readonly layout: EncodedLayout; readonly rows: number; readonly foldRows?: readonly number[] } => ({
  layout: data.layout,
  rows: data.inputs.rows,
  ...(folds === undefined ? {} : { foldRows: folds.map(({ trainRows }) => trainRows) }),
});

/** The hash that covers all of a study's data: the prepared data's own, or that of the split manifest, which names every fold's. */
export const dataHash = ({ data, folds }: StudyData): string =>
  folds === undefined ? data.hash : sha256(splitManifest(data, folds));

/** What tasks fetch, and the split manifest: the bytes of each by its hash. */
export function dataArtifacts({ data, folds }: StudyData): readonly (readonly [hash: string, bytes: () => Uint8Array])[] {
  if (folds === undefined) return [[data.hash, () => encodePrepared(data)]];
  const manifest = splitManifest(data, folds);
  return [[sha256(manifest), () => manifest], ...folds.map((fold) => [fold.data.hash, () => encodePrepared(fold.data)] as const)];
}
