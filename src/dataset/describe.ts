/** What `data inspect` shows: each column's role, why, what is in it, and how to say otherwise. */
import { inferColumns, type ColumnFacts, type RoleConfig } from './infer.ts';
import type { ColumnRole, Table } from './types.ts';

export interface ColumnDescription {
  readonly name: string;
  readonly role: ColumnRole;
  readonly reason: string;
  /** Number of different values; `more` if only so many were counted. */
  readonly levels: number;
  readonly more: boolean;
  readonly missing: number;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly examples: readonly string[];
  /** What the override says is not said here again. */
  readonly warnings: readonly string[];
  /** What the override makes of it. */
  readonly hint?: ColumnFacts['hint'];
  /** Texts that the override takes for missing values, where there are any. */
  readonly missingWords?: readonly string[];
}

export interface TableDescription {
  /** Of all files. */
  readonly rows: number;
  readonly files: number;
  /** Those of the first file. */
  readonly columns: readonly ColumnDescription[];
  /** A YAML snippet for the configuration that makes every hint a decision, with its reason; the user deletes what is wrong. */
  readonly override: string;
}

/** Describes the columns of a training table and, if given, a test table. Throws DATA_UNKNOWN_COLUMN. */
export function inspectTables(tables: readonly [Table, ...Table[]], config: RoleConfig = {}): TableDescription {
  const facts = inferColumns(tables, config);
  return {
    rows: tables.reduce((sum, table) => sum + table.rows, 0),
    files: tables.length,
    columns: facts.map(describe),
    override: overrideSnippet(facts),
  };
}

/** As inspectTables, of one table. */
export const inspectTable = (table: Table, config: RoleConfig = {}): TableDescription => inspectTables([table], config);

function describe(facts: ColumnFacts): ColumnDescription {
  const { name, role, reason, missing, examples, problem, hint, missingWords } = facts;
  const problems = problem === undefined ? [] : [hint === undefined ? problem.format() : problem.format().split('\n')[0]!];
  return {
    name,
    role,
    reason,
    levels: facts.distinct,
    more: facts.distinctCapped,
    missing,
    min: facts.range?.[0],
    max: facts.range?.[1],
    examples,
    warnings: [...problems, ...facts.warnings],
    ...(hint === undefined ? {} : { hint }),
    ...(missingWords.length === 0 ? {} : { missingWords }),
  };
}

function overrideSnippet(facts: readonly ColumnFacts[]): string {
  const hinted = (hint: ColumnFacts['hint']): readonly ColumnFacts[] => facts.filter((fact) => fact.hint === hint);
  const [id, ...otherIds] = hinted('id');
  const drop = [...otherIds, ...hinted('dates'), ...hinted('drop')];
  const codes = hinted('categorical');
  const words = [...new Set(facts.flatMap(({ missingWords }) => missingWords))];
  const wordLines = words.map((word) => `    - ${yamlName(word)}  # in ${columnsWith(word, facts)}`);
  const lines = [
    ...(id === undefined ? [] : [`  id: ${yamlName(id.name)}${reason(id)}`]),
    ...(drop.length === 0 ? [] : ['  drop:', ...drop.map((fact) => `    - ${yamlName(fact.name)}${reason(fact)}`)]),
    ...(words.length === 0 ? [] : ['  missing:', ...wordLines]),
    ...(codes.length === 0 ? [] : ['  kinds:', ...codes.map((fact) => `    ${yamlName(fact.name)}: categorical${reason(fact)}`)]),
  ];
  if (lines.length > 0) return ['data:', ...lines, ''].join('\n');
  const example =
    facts.find(({ role, type }) => role === 'numerical' || (role === 'categorical' && type === 'number')) ?? facts[0];
  const other = example?.role === 'numerical' ? 'categorical' : 'numerical';
  return `# No column looks doubtful. To override one, for example:\n# data:\n#   kinds:\n#     ${yamlName(example?.name ?? 'column')}: ${other}\n`;
}

const mostNames = 3;

function columnsWith(word: string, facts: readonly ColumnFacts[]): string {
  const names = facts.flatMap(({ name, missingWords }) => (missingWords.includes(word) ? [name] : []));
  const others = names.length - mostNames;
  return `${names.slice(0, mostNames).map(yamlName).join(', ')}${others > 0 ? ` and ${others} more` : ''}`;
}

/** Why a line of the snippet is there, as a comment; what cannot be used is among the warnings. */
function reason({ hint, problem, distinct }: ColumnFacts): string {
  if (hint === 'dates') return '  # dates, unless you make numbers of them: year, month, weekday';
  if (problem !== undefined || hint === undefined || hint === 'drop' || hint === 'missing') return '';
  return hint === 'id' ? '  # another value in every row' : `  # ${distinct} different whole numbers: codes, or quantities?`;
}

/** A YAML scalar that reads back as this text. */
const yamlName = (name: string): string =>
  /^[a-z_][\w-]*$/i.test(name) && !/^(?:null|true|false|yes|no|on|off|y|n)$/i.test(name) ? name : JSON.stringify(name);
