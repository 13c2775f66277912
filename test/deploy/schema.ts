/** Strict validation without a cluster: unknown fields, wrong types, missing fields and words that are none of those allowed, by schema/kinds.txt. */
import { isMap, type Json, type Manifest, read, scalar, textAt } from './manifest.ts';

interface Field {
  readonly type: string;
  readonly required: boolean;
}

const kinds = new Map<string, string>();
const types = new Map<string, Map<string, Field>>();

let fields = new Map<string, Field>();
for (const line of read('test/deploy/schema/kinds.txt').split('\n')) {
  const [, api, kind = '', type] = /^kind (\S+) (\S+) (\S+)$/.exec(line) ?? [];
  const [, field, required, fieldType] = /^ {2}([^* ]+)(\*?) (\S+)$/.exec(line) ?? [];
  if (api !== undefined && type !== undefined) kinds.set(`${api} ${kind}`, type);
  else if (field !== undefined && fieldType !== undefined) fields.set(field, { type: fieldType, required: required === '*' });
  else if (line !== '' && !line.startsWith('#')) types.set(line, (fields = new Map<string, Field>()));
}

const quantity = /^[+-]?(\d+|\d+\.\d*|\.\d+)([eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?$/;

/** `Job/worker.spec.backofLimit: there is no such field in batch.v1.JobSpec` */
export function schemaProblems(manifest: Manifest): string[] {
  const [api, kind] = [textAt(manifest, 'apiVersion'), textAt(manifest, 'kind')];
  const where = `${kind}/${textAt(manifest, 'metadata.name')}`;
  const type = kinds.get(`${api} ${kind}`);
  if (type === undefined) return [`${where}: there is no kind ${kind} in ${api}`];
  if (textAt(manifest, 'metadata.name') === '') return [`${where}.metadata.name: is missing`];
  return problems(manifest, type, where);
}

function problems(value: Json, type: string, where: string): string[] {
  const expected = (what: string): string[] => [`${where}: must be ${what}, not ${JSON.stringify(value)}`];
  const inner = type.slice(1, -1);
  if (type === 'any') return [];
  if (type.startsWith('[')) {
    if (!Array.isArray(value)) return expected('a list');
    return (value as readonly Json[]).flatMap((item, i) => problems(item, inner, `${where}[${i}]`));
  }
  if (type.startsWith('{')) {
    if (!isMap(value)) return expected('a map');
    return Object.entries(value).flatMap(([key, item]) => problems(item, inner, `${where}.${key}`));
  }
  if (type.includes('|')) return type.split('|').includes(scalar(value)) ? [] : expected(`one of ${type.replaceAll('|', ', ')}`);
  switch (type) {
    case 'string':
    case 'boolean':
    case 'number':
      return typeof value === type ? [] : expected(`a ${type}`);
    case 'integer':
      return Number.isInteger(value) ? [] : expected('an integer');
    case 'int-or-string':
      return Number.isInteger(value) || typeof value === 'string' ? [] : expected('an integer or a string');
    case 'quantity':
      return typeof value === 'number' || (typeof value === 'string' && quantity.test(value)) ? [] : expected('a quantity');
  }
  const known = types.get(type);
  if (known === undefined) throw new Error(`kinds.txt has no type ${type}`);
  if (!isMap(value)) return expected(type);
  const missing = [...known].filter(([field, { required }]) => required && value[field] === undefined);
  return [
    ...missing.map(([field]) => `${where}.${field}: is missing`),
    ...Object.entries(value).flatMap(([field, member]) => {
      const found = known.get(field);
      return found === undefined
        ? [`${where}.${field}: there is no such field in ${type}`]
        : problems(member, found.type, `${where}.${field}`);
    }),
  ];
}
