/** docs/config.md, from the schema's descriptions. */
import { allKeys, alternatives, isDistributionKey, type JsonSchema } from './json-schema.ts';

/** The reference of every key, as markdown: what it takes, its default, what it means. */
export function configReference(): string {
  const rows = allKeys().map(
    ({ path, schema, required }) =>
      `| \`${path.join('.')}\` | ${takes(schema)} | ${standard(schema, required)} | ${cell(schema.description ?? '')} |`,
  );
  return `${introduction}
| Key | Takes | Default | Meaning |
|---|---|---|---|
${rows.join('\n')}
`;
}

const introduction = `# Configuration

A sweep is one YAML file. This page is made from its schema; editors complete and check the file with
[config.schema.json](config.schema.json) (also printed by \`noisefold config schema\`), named in its first line:

\`\`\`yaml
# yaml-language-server: $schema=node_modules/noisefold/docs/config.schema.json
data:
  train: train.csv.gz
  target: price            # short for {column: price, task: regression, transform: none}
noise:
  swapProbability:
    numerical: { uniform: [0.05, 0.5] }     # searched
    categorical: 0.6                        # fixed
    levels: { "2": 0.4, 3-8: { choice: [0.5, 0.9] } }
    columns: { carat: 0.1 }
\`\`\`

A value marked *searchable* is fixed, or drawn from a distribution: \`{choice: [a, b, c]}\`, one of these; \`{uniform: [low, high]}\`;
\`{logUniform: [low, high]}\`, uniform in the logarithm; \`{integer: [low, high]}\`, a whole number, both ends included. Whole numbers take
\`choice\` and \`integer\`, the others \`choice\`, \`uniform\` and \`logUniform\`.

The swap probability of a column is the most special one that is given: \`columns\`, then \`levels\`, then \`numerical\` or \`categorical\`.
`;

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (value: unknown): string => `\`${typeof value === 'string' ? value : JSON.stringify(value).replaceAll(',', ', ')}\``;

function standard(schema: JsonSchema, required: boolean): string {
  if (required) return '**required**';
  return schema.default === undefined ? '' : cell(code(schema.default));
}

/** The type and range in words: `number in [0, 1], searchable`. */
function takes(schema: JsonSchema): string {
  const all = alternatives(schema);
  const searched = all.some(({ properties }) => Object.keys(properties ?? {}).some(isDistributionKey));
  const plain = all.filter(({ properties }) => !Object.keys(properties ?? {}).some(isDistributionKey));
  return cell([...new Set(plain.map(takesOne))].join(' or ') + (searched ? ', *searchable*' : ''));
}

function takesOne(schema: JsonSchema): string {
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  switch (schema.type) {
    case 'integer':
      return `whole number${range(schema)}`;
    case 'number':
      return `number${range(schema)}`;
    case 'string':
      return 'text';
    case 'boolean':
      return '`true`, `false`';
    case 'array':
      return schema.items === undefined || schema.items === false ? 'list' : `list of ${takes(schema.items)}`;
    case undefined:
    default:
      return schema.additionalProperties === undefined || schema.additionalProperties === false
        ? 'section'
        : `NAME: ${takes(schema.additionalProperties)}`;
  }
}

function range({ minimum, exclusiveMinimum, maximum }: JsonSchema): string {
  if (maximum !== undefined)
    return ` in ${exclusiveMinimum === undefined ? `[${minimum ?? ''}` : `(${exclusiveMinimum}`}, ${maximum}]`;
  return exclusiveMinimum !== undefined ? ` > ${exclusiveMinimum}` : minimum !== undefined ? ` >= ${minimum}` : '';
}
