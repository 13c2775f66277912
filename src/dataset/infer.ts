/**
 * What each column is: from the configuration where that says, else from its values. Careful on purpose: text is categorical, numbers are
 * numerical unless there are only two of them; everything else that looks like a code or an id is a hint, never a decision.
 */
import { NoisefoldError } from '../base/errors.ts';
import type { DataConfig } from '../config/types.ts';
import { columnNamed, configuredColumn, datesHint, notNumeric } from './table.ts';
import type { Column, ColumnRole, Table } from './types.ts';
import { valuesOf, type Values } from './values.ts';

/** The part of DataConfig that decides roles; `data inspect` may have none of it. */
export interface RoleConfig extends Partial<Pick<DataConfig, 'id' | 'drop' | 'kinds' | 'rareBelow'>> {
  readonly target?: { readonly column: string } | undefined;
}

/** One column over all tables that have it. */
export interface ColumnFacts {
  readonly name: string;
  readonly role: ColumnRole;
  /** Why it has this role, for `data inspect`. */
  readonly reason: string;
  readonly type: Column['type'];
  /** Number of different present values; only so many were counted if `distinctCapped`. */
  readonly distinct: number;
  readonly distinctCapped: boolean;
  readonly missing: number;
  /** Of numbers only. */
  readonly range?: readonly [min: number, max: number];
  /** The first few different values. */
  readonly examples: readonly string[];
  /** What a user should know, as sentences; what the hint says is not among them. */
  readonly warnings: readonly string[];
  /** What it looks like, although its values do not decide it. */
  readonly hint?: 'id' | 'categorical' | 'dates' | 'missing' | 'drop';
  /** Of an input or the target: texts that often stand for a missing value. */
  readonly missingWords: readonly string[];
  /** What the hint and these words say, and what to do, as sentences; none for what cannot be used anyway. */
  readonly hinted: readonly string[];
  /** Why it cannot be used in this role. */
  readonly problem?: NoisefoldError;
}

const manyLevels = 100;
/** Fewer rows than this do not make a column of different values an id. */
const idRows = 20;
/** At most so many whole numbers, in more rows than that, may be codes: days of a month, hours, classes. */
const codeLevels = 31;
const codeRows = 200;

/**
 * Facts and role of every column of the first table, in its order. The first table is the training data; the others add their values.
 * Throws DATA_UNKNOWN_COLUMN if the configuration names a column that the first table lacks.
 */
export function inferColumns(tables: readonly [Table, ...Table[]], config: RoleConfig = {}): readonly ColumnFacts[] {
  const [train] = tables;
  if (config.target !== undefined) configuredColumn(train, config.target.column, 'data.target.column');
  if (config.id !== undefined) configuredColumn(train, config.id, 'data.id');
  for (const name of config.drop ?? []) configuredColumn(train, name, 'data.drop');
  for (const name of Object.keys(config.kinds ?? {})) configuredColumn(train, name, 'data.kinds');
  return train.columns.map(({ name }) => factsOf(name, tables, config));
}

function factsOf(name: string, tables: readonly Table[], config: RoleConfig): ColumnFacts {
  const parts = tables.flatMap((table) => {
    const column = columnNamed(table, name);
    return column === undefined ? [] : [{ table, column }];
  });
  const type: Column['type'] = parts.some(({ column }) => column.type === 'text') ? 'text' : 'number';
  const values = valuesOf(parts.map(({ column }) => column));
  const [role, reason] = roleOf(name, type, values, config);
  const { distinct, distinctCapped, missing, range, examples } = values;
  const isInput = role === 'categorical' || role === 'numerical';
  const facts = {
    name,
    role,
    reason,
    type,
    distinct,
    distinctCapped,
    missing,
    examples,
    missingWords: isInput || role === 'target' ? values.missingWords : [],
    ...(range === undefined ? {} : { range }),
  };
  if (!isInput) return { ...facts, warnings: [], hinted: [] };
  const judged = { name, role, type, values, config };
  const problem = problemOf(parts, judged);
  const hint = hintOf(judged) ?? (problem === undefined ? undefined : remedyOf(problem, values));
  return {
    ...facts,
    warnings: warningsOf(judged, problem),
    hinted: hintedOf(judged, hint),
    ...(hint === undefined ? {} : { hint }),
    ...(problem === undefined ? {} : { problem }),
  };
}

function roleOf(name: string, type: Column['type'], values: Values, config: RoleConfig): [ColumnRole, string] {
  if (name === config.target?.column) return ['target', 'data.target'];
  if (name === config.id) return ['id', 'data.id'];
  if (config.drop?.includes(name) === true) return ['dropped', 'data.drop'];
  const kind = config.kinds?.[name];
  if (kind !== undefined) return [kind, 'data.kinds'];
  if (type === 'text' && areDates(values)) return ['categorical', 'text: dates'];
  if (type === 'text') return ['categorical', values.notNumbers === 0 ? 'codes (zero-padded or too long for a number)' : 'text'];
  if (values.distinct <= 2) return ['categorical', values.distinct === 2 ? 'two different numbers' : 'one value'];
  return ['numerical', values.whole ? 'whole numbers' : 'numbers'];
}

const areDates = ({ dates, present }: Values): boolean => dates * 2 > present;

interface Judged {
  readonly name: string;
  readonly role: 'categorical' | 'numerical';
  readonly type: Column['type'];
  readonly values: Values;
  readonly config: RoleConfig;
}

function problemOf(parts: readonly { table: Table; column: Column }[], judged: Judged): NoisefoldError | undefined {
  const { name, role, values, config } = judged;
  const { present } = values;
  if (present === 0)
    return new NoisefoldError('DATA_ALL_MISSING', `column "${name}" has no value at all`, {
      where: parts[0]?.table.source ?? name,
      hint: `Add it to data.drop: data: { drop: [${name}] }`,
    });
  const mostlyNumbers = values.notNumbers > 0 && values.notNumbers * 2 < present && config.kinds?.[name] === undefined;
  if (role === 'numerical' || mostlyNumbers)
    for (const { table, column } of parts) {
      const refusal = notNumeric(table, column);
      if (refusal !== undefined) return refusal;
    }
  if (role === 'categorical' && values.distinct === present && present >= idRows && (config.rareBelow ?? 0) <= 1)
    return new NoisefoldError(
      'DATA_LEVELS',
      areDates(values)
        ? `column "${name}" looks like dates, another one in each of its ${present} rows`
        : `column "${name}" is categorical and has another level in each of its ${present} rows`,
      {
        where: parts[0]?.table.source ?? name,
        hint: areDates(values) ? datesHint(name) : `Is it an id or free text? Set data.id: ${name}, or add it to data.drop.`,
      },
    );
  return undefined;
}

function hintOf({ name, role, type, values, config }: Judged): 'id' | 'categorical' | 'dates' | undefined {
  const { present, distinct, whole, range } = values;
  if (config.kinds?.[name] !== undefined) return undefined;
  if (areDates(values)) return 'dates';
  const counter = whole && range !== undefined && range[1] - range[0] === present - 1;
  const idName = /^(?:id|index|key|uuid|guid|.*[_ -]id|.*Id)$/i.test(name);
  if (distinct === present && present >= idRows && (counter || (idName && (type === 'text' || whole)))) return 'id';
  return role === 'numerical' && whole && distinct <= codeLevels && present > codeRows ? 'categorical' : undefined;
}

/** What would make a column that has a problem one without. */
function remedyOf({ code }: NoisefoldError, { numbersOtherwise }: Values): 'missing' | 'drop' | undefined {
  if (code === 'DATA_ALL_MISSING' || code === 'DATA_LEVELS') return 'drop';
  return numbersOtherwise ? 'missing' : undefined;
}

function hintedOf({ name, values: { distinct, missingWords } }: Judged, hint: ColumnFacts['hint']): string[] {
  const words = missingWords.map(
    (word) => `"${name}" has the value "${word}". If it stands for a missing value, add it to data.missing.`,
  );
  switch (hint) {
    case 'id':
      return [`"${name}" looks like an id: every row has another value. If so, set data.id, or add it to data.drop.`, ...words];
    case 'categorical':
      return [
        `"${name}" has ${distinct} different whole numbers. If they are codes, not quantities: data.kinds: { ${name}: categorical }`,
        ...words,
      ];
    case 'dates':
    case 'missing':
    case 'drop':
    case undefined:
      return words;
    default:
      return hint satisfies never;
  }
}

function warningsOf({ name, role, values, config }: Judged, problem: NoisefoldError | undefined): string[] {
  const warnings: string[] = [];
  if (role === 'categorical' && areDates(values) && config.kinds?.[name] === undefined && problem === undefined)
    warnings.push(
      `"${name}" looks like dates: ${values.distinct} categories, of which a later row has none. Make numbers of it in the table (year, month, weekday), or add it to data.drop.`,
    );
  else if (role === 'categorical' && values.distinct > manyLevels && problem?.code !== 'DATA_LEVELS')
    warnings.push(`"${name}" has ${values.distinct} levels, each an input of its own; data.rareBelow merges the rare ones.`);
  return warnings;
}
