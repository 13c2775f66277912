/** The target: read, checked against the declared task, transformed; and transformed back. */
import { NoisefoldError } from '../base/errors.ts';
import type { TargetConfig } from '../config/types.ts';
import { numberIn } from './fields.ts';
import { configuredColumn, notNumeric, numbersOf, textsOf, whereRow } from './table.ts';
import type { Column, Table } from './types.ts';

export interface Target {
  /** [rows]: transformed values, 0 or 1 for a binary task; NaN for rows without a label. */
  readonly values: Float64Array;
  /** Of a binary task: what 0 and 1 are called in the data, in order (as numbers if both are). */
  readonly levels?: readonly [zero: string, one: string];
}

/** How to say otherwise what the target is: in the configuration, or on a command line. */
export interface TargetAdvice {
  /** What names the column. */
  readonly column: string;
  readonly regression: string;
  readonly binary: string;
  readonly untransformed: string;
}

const inConfiguration: TargetAdvice = {
  column: 'data.target.column',
  regression: 'set data.target.task: regression',
  binary: 'data.target.task: binary',
  untransformed: 'Set data.target.transform: none',
};

/** The target of every row of the training table. Throws DATA_UNKNOWN_COLUMN and DATA_TARGET. */
export function targetOf(table: Table, config: TargetConfig, advice: TargetAdvice = inConfiguration): Target {
  const column = configuredColumn(table, config.column, advice.column);
  if (textsOf(column).every((text) => text === null))
    throw refused(
      table,
      column,
      'has no value at all',
      `Is another column meant (${advice.column})? Without a target in some rows, nothing can be scored.`,
    );
  switch (config.task) {
    case 'binary':
      return binaryTarget(table, column, config, advice);
    case 'regression':
      return { values: regressionTarget(table, column, config, advice) };
    default:
      return config.task satisfies never;
  }
}

const refused = (table: Table, column: Column, what: string, hint?: string, where = table.source): NoisefoldError =>
  new NoisefoldError('DATA_TARGET', `the target "${column.name}" ${what}`, hint === undefined ? { where } : { where, hint });

function binaryTarget(table: Table, column: Column, config: TargetConfig, advice: TargetAdvice): Target {
  if (config.transform !== 'none')
    throw refused(table, column, `is binary, to which the ${config.transform} transform does not apply`);
  const texts = textsOf(column);
  const levels = [...new Set(texts.filter((text) => text !== null))];
  const [a, b] = levels;
  if (levels.length !== 2 || a === undefined || b === undefined) {
    const found = levels
      .slice(0, 5)
      .map((level) => `"${level}"`)
      .join(', ');
    if (levels.length === 1) throw refused(table, column, `has the value ${found} in every row`);
    const hint = levels.every((level) => numberIn(level) !== undefined)
      ? `For numbers to be predicted, ${advice.regression}.`
      : 'Of several classes one can be predicted at a time: add a column that tells it from the others.';
    throw refused(table, column, `has ${levels.length} values (${found}${levels.length > 5 ? ', ...' : ''}), not two`, hint);
  }
  const [numberA, numberB] = [numberIn(a), numberIn(b)];
  const inOrder = numberA !== undefined && numberB !== undefined ? numberA <= numberB : a < b;
  const pair = inOrder ? ([a, b] as const) : ([b, a] as const);
  return { values: Float64Array.from(texts, (text) => (text === null ? NaN : text === pair[0] ? 0 : 1)), levels: pair };
}

function regressionTarget(table: Table, column: Column, config: TargetConfig, advice: TargetAdvice): Float64Array {
  const refusal = notNumeric(table, column);
  if (refusal !== undefined)
    throw refused(
      table,
      column,
      `is not numeric: it ${refusal.message.replace(`column "${column.name}" `, '')}`,
      `Correct it there; if it stands for a missing value, say so (data.missing, --missing). Text with two different values can be predicted with ${advice.binary}.`,
      refusal.where,
    );
  const values = numbersOf(table, column);
  const first = values.find((value) => !Number.isNaN(value));
  if (values.every((value) => Number.isNaN(value) || value === first))
    throw refused(table, column, `has the value ${first} in every row`);
  switch (config.transform) {
    case 'none':
      return values;
    case 'log': {
      const row = values.findIndex((value) => value <= 0);
      if (row >= 0)
        throw refused(
          table,
          column,
          `holds ${values[row]}, which has no logarithm`,
          `${advice.untransformed}, or leave the row out.`,
          whereRow(table, row),
        );
      return values.map((value) => (Number.isNaN(value) ? NaN : Math.log(value)));
    }
    default:
      return config.transform satisfies never;
  }
}

/** Predictions in the target's own unit. */
export function inverseTarget(values: Float64Array, transform: TargetConfig['transform']): Float64Array {
  switch (transform) {
    case 'none':
      return values;
    case 'log':
      return values.map((value) => Math.exp(value));
    default:
      return transform satisfies never;
  }
}
