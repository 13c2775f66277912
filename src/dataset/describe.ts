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
  readonly warnings: readonly string[];
}

export interface TableDescription {
  readonly rows: number;
  readonly columns: readonly ColumnDescription[];
  /** A YAML snippet for the configuration that makes every hint a decision; the user deletes what is wrong. */
  readonly override: string;
}

/** Describes the columns of a training table and, if given, a test table. Throws DATA_UNKNOWN_COLUMN. */
export function inspectTables(tables: readonly [Table, ...Table[]], config: RoleConfig = {}): TableDescription {
  const facts = inferColumns(tables, config);
  return {
    rows: tables.reduce((sum, table) => sum + table.rows, 0),
    columns: facts.map(describe),
    override: overrideSnippet(facts),
  };
}

/** As inspectTables, of one table. */
export const inspectTable = (table: Table, config: RoleConfig = {}): TableDescription => inspectTables([table], config);

function describe(facts: ColumnFacts): ColumnDescription {
  const { name, role, reason, missing, examples, problem } = facts;
  const problems = problem === undefined ? [] : [problem.format()];
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
  };
}

function overrideSnippet(facts: readonly ColumnFacts[]): string {
  const hinted = (hint: ColumnFacts['hint']): string[] =>
    facts.filter((fact) => fact.hint === hint).map(({ name }) => yamlName(name));
  const [id, ...otherIds] = hinted('id');
  const drop = [...otherIds, ...hinted('drop')];
  const codes = hinted('categorical');
  const lines = [
    ...(id === undefined ? [] : [`  id: ${id}`]),
    ...(drop.length === 0 ? [] : [`  drop: [${drop.join(', ')}]`]),
    ...(codes.length === 0 ? [] : ['  kinds:', ...codes.map((name) => `    ${name}: categorical`)]),
  ];
  if (lines.length > 0) return ['data:', ...lines, ''].join('\n');
  const example =
    facts.find(({ role, type }) => role === 'numerical' || (role === 'categorical' && type === 'number')) ?? facts[0];
  const other = example?.role === 'numerical' ? 'categorical' : 'numerical';
  return `# No column looks doubtful. To override one, for example:\n# data:\n#   kinds:\n#     ${yamlName(example?.name ?? 'column')}: ${other}\n`;
}

/** A YAML scalar that reads back as this text. */
const yamlName = (name: string): string =>
  /^[a-z_][\w-]*$/i.test(name) && !/^(?:null|true|false|yes|no|on|off|y|n)$/i.test(name) ? name : JSON.stringify(name);
