/** The configuration's JSON Schema, for editors; and the little that messages and the reference ask of it. */
import { z } from 'zod';
import { sweepSchema } from './schema/sweep.ts';
import type { Path } from './source.ts';

/** The part of JSON Schema 2020-12 that zod writes for the configuration. */
export interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | false;
  readonly items?: JsonSchema | false;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

/** The JSON Schema of a sweep's configuration, as an editor wants it: what a user may write, not what it becomes. */
export function sweepJsonSchema(): object {
  const schema = z.toJSONSchema(sweepSchema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      // The range of exact integers is not a range that anyone chose.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      // An empty default of a section says only that it may be left out, which `required` says.
      if (JSON.stringify(jsonSchema.default) === '{}' && jsonSchema.properties !== undefined) delete jsonSchema.default;
    },
  });
  return { title: 'noisefold sweep configuration', ...schema };
}

let computed: JsonSchema | undefined;
const root = (): JsonSchema => (computed ??= sweepJsonSchema());

/** A schema's alternatives: itself, or the members of its union. */
export const alternatives = (schema: JsonSchema): readonly JsonSchema[] =>
  (schema.anyOf ?? schema.oneOf ?? [schema]).flatMap((one) => (one === schema ? [one] : alternatives(one)));

/** The named keys that a mapping at this path may have. */
export function keysAt(path: Path): readonly string[] {
  let here = alternatives(root());
  for (const step of path)
    here = here.flatMap((schema) => {
      const next = typeof step === 'number' ? schema.items : (schema.properties?.[step] ?? schema.additionalProperties);
      return next === undefined || next === false ? [] : alternatives(next);
    });
  return [...new Set(here.flatMap(({ properties }) => Object.keys(properties ?? {})))];
}

/** Every named key of the configuration, as paths in file order, with its schema; keys of a distribution are left out. */
export function allKeys(): readonly {
  readonly path: readonly string[];
  readonly schema: JsonSchema;
  readonly required: boolean;
}[] {
  const found = new Map<string, { path: readonly string[]; schema: JsonSchema; required: boolean }>();
  const walk = (schema: JsonSchema, path: readonly string[]) => {
    for (const one of alternatives(schema)) {
      for (const [key, member] of Object.entries(one.properties ?? {})) {
        if (isDistributionKey(key)) continue;
        const full = [...path, key];
        const name = full.join('.');
        const earlier = found.get(name);
        // The same key in two kinds of a mapping: one entry that takes both.
        if (earlier !== undefined)
          found.set(name, { ...earlier, schema: { ...earlier.schema, anyOf: [earlier.schema, member] } });
        else found.set(name, { path: full, schema: member, required: one.required?.includes(key) === true });
        walk(member, full);
      }
    }
  };
  walk(root(), []);
  return [...found.values()];
}

export const distributionKeys = ['choice', 'uniform', 'logUniform', 'integer'] as const;
export const isDistributionKey = (key: string): boolean => distributionKeys.some((name) => name === key);
