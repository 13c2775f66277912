import { hashOf } from '../base/hash.ts';
import { sectionProblems, type Sections } from './checks.ts';
import { invalid, placed, unchanged, type Found, type GivenConfig } from './given.ts';
import { joinPath, studyFrom } from './paths.ts';
import { problemsOf } from './problems.ts';
import { sweepSchema } from './schema/sweep.ts';
import { readYaml } from './source.ts';
import type { SweepConfig } from './types.ts';

/**
 * Reads a sweep's configuration. Paths in it stay as written (see resolvePaths).
 * @param text the YAML
 * @param file its name, for messages and for the study's default name
 * @throws NoisefoldError CONFIG_INVALID with every problem at once, one line each: `file:line:column  path: what is wrong (what to do)`
 */
export const parseSweep = (text: string, file: string): SweepConfig => parseGiven(unchanged(text, file));

/** As parseSweep, of a file with settings made to it; what is wrong with one of these is said of it: `--set path=value  path: ...`. */
export function parseGiven(given: GivenConfig): SweepConfig {
  const { config, found } = readSweep(given);
  if (config === undefined) throw invalid(given.file, found);
  return config;
}

/** A configuration as far as it can be read. */
export interface SweepReading {
  /** Undefined where something is wrong. */
  readonly config: SweepConfig | undefined;
  /** What is wrong. */
  readonly found: readonly Found[];
  /** The plain values of the YAML, whatever is wrong with them; undefined where it is none. */
  readonly value: unknown;
  readonly sections: Sections;
}

export function readSweep(given: GivenConfig): SweepReading {
  const { file, text } = given;
  const unreadable = (what: string): SweepReading => ({
    config: undefined,
    found: [{ place: { line: 1, column: 1 }, what }],
    value: undefined,
    sections: {},
  });
  if (text.includes('\0')) return unreadable("the file is not text (a sweep's configuration is a YAML file; is this a table?)");
  const source = readYaml(text);
  if (source.value === null) return unreadable('the file is empty (it needs at least `data`; see docs/config.md)');
  const yaml = source.errors.map(({ position, message }) => ({ place: position, what: message }));
  if (source.value === undefined) return { config: undefined, found: yaml, value: undefined, sections: {} };
  const parsed = sweepSchema.safeParse(source.value);
  const sections = parsed.success ? parsed.data : validSections(source.value);
  const problems = [...(parsed.success ? [] : problemsOf(parsed.error.issues, source.value)), ...sectionProblems(sections)];
  const found = [...yaml, ...placed(given, problems)];
  const right = parsed.success && found.length === 0;
  return {
    config: right ? deepFreeze({ ...parsed.data, study: parsed.data.study ?? studyFrom(file) }) : undefined,
    found,
    value: source.value,
    sections,
  };
}

/** The sections that are right on their own, for checks across them while others are wrong. */
function validSections(value: unknown): Sections {
  if (typeof value !== 'object' || value === null) return {};
  const raw = value as Readonly<Record<string, unknown>>;
  const { noise, model, training, features, search, workers } = sweepSchema.shape;
  const entries = Object.entries({ noise, model, training, features, search, workers }).flatMap(([key, schema]) => {
    const parsed = schema.safeParse(raw[key]);
    return parsed.success ? [[key, parsed.data] as const] : [];
  });
  return Object.fromEntries(entries);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

/** The configuration with its data files relative to where `folder` is, instead of to the configuration file. Absolute paths stay. */
export function resolvePaths(config: SweepConfig, folder: string): SweepConfig {
  const { train, test } = config.data;
  return {
    ...config,
    data: { ...config.data, train: joinPath(folder, train), ...(test === undefined ? {} : { test: joinPath(folder, test) }) },
  };
}

/**
 * What decides a trial's results, given its data: not the workers, nor where files lie, nor how many trials there are, nor what is computed from
 * the best one at the end. The data have a hash of their own (PreparedData.hash), so moving them keeps this the same.
 */
export function decisive(config: SweepConfig) {
  const { drop, id, kinds, missing, delimiter, rareBelow, target, test } = config.data;
  const data = { drop, id, kinds, missing, delimiter, rareBelow, target, test: test !== undefined };
  const { study, seed, protocol, noise, model, training } = config;
  // Not features.folds: what is made of the best trial's folds comes after all results.
  const { layers, inputs } = config.features;
  const features = { layers, inputs };
  const { alphas, folds } = config.ridge;
  const { sampler, halving } = config.search;
  const search = { sampler, ...(halving === undefined ? {} : { halving }) };
  return { study, seed, protocol, data, noise, model, training, features, ridge: { alphas, folds }, search };
}

/** The hash of what decides a trial's results. */
export function configHash(config: SweepConfig): string {
  const { ridge, search, ...others } = decisive(config);
  return hashOf({ ...others, ...ridge, ...search });
}
