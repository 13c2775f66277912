/** Manifests as plain values: how to read them, and how to reach into them by a path such as `spec.template.spec.containers.0.image`. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type Manifest = { readonly [key: string]: Json };

/** A file of the repository. */
export const read = (path: string): string => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');

/** Throws on YAML that is none. */
export const parseManifests = (text: string): Manifest[] =>
  parseAllDocuments(text, { uniqueKeys: true }).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    return document.toJS() as Manifest;
  });

export const isMap = (value: Json | undefined): value is Manifest =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function get(value: Json | undefined, path: string): Json | undefined {
  let at = value;
  for (const step of path.split('.'))
    at = Array.isArray(at) ? (at as readonly Json[])[Number(step)] : isMap(at) ? at[step] : undefined;
  return at;
}

export const textAt = (value: Json | undefined, path: string): string => {
  const found = get(value, path);
  return typeof found === 'string' ? found : '';
};

export const listAt = (value: Json | undefined, path: string): readonly Json[] => {
  const found = get(value, path);
  return Array.isArray(found) ? (found as readonly Json[]) : [];
};

export const mapAt = (value: Json | undefined, path: string): Manifest => {
  const found = get(value, path);
  return isMap(found) ? found : {};
};

/** A copy with another value at the path; undefined takes the member out. The way to it must be there. */
export function put<T extends Json>(value: T, path: string, change: Json | undefined): T {
  const copy = structuredClone(value);
  const steps = path.split('.');
  const last = steps.pop() ?? '';
  const parent = steps.length === 0 ? copy : get(copy, steps.join('.'));
  if (typeof parent !== 'object' || parent === null) throw new Error(`there is nothing at ${steps.join('.')}`);
  if (Array.isArray(parent)) {
    if (change === undefined) parent.splice(Number(last), 1);
    else (parent as Json[])[Number(last)] = change;
  } else if (change === undefined) Reflect.deleteProperty(parent, last);
  else (parent as Record<string, Json>)[last] = change;
  return copy;
}

export const nameOf = (manifest: Manifest): string => `${textAt(manifest, 'kind')}/${textAt(manifest, 'metadata.name')}`;

export interface Pod {
  /** `Job/worker` */
  readonly owner: string;
  readonly manifest: Manifest;
  readonly labels: Manifest;
  readonly spec: Json;
  readonly containers: readonly Json[];
}

/** The pods that these objects start. */
export const podsOf = (manifests: readonly Manifest[]): Pod[] =>
  manifests.flatMap((manifest) => {
    const spec = get(manifest, 'spec.template.spec');
    if (!isMap(spec)) return [];
    const containers = [...listAt(spec, 'initContainers'), ...listAt(spec, 'containers')];
    return [{ owner: nameOf(manifest), manifest, labels: mapAt(manifest, 'spec.template.metadata.labels'), spec, containers }];
  });

/** Bytes of `10Gi`, `512Mi`, `1G`; NaN for what is none. */
export function bytesOf(quantity: Json | undefined): number {
  const units: Readonly<Record<string, number>> = {
    '': 1,
    Ki: 2 ** 10,
    Mi: 2 ** 20,
    Gi: 2 ** 30,
    Ti: 2 ** 40,
    K: 1e3,
    M: 1e6,
    G: 1e9,
  };
  const [, number = '', unit = ''] =
    /^([\d.]+)([KMGT]i?)?$/.exec(
      typeof quantity === 'number' ? String(quantity) : typeof quantity === 'string' ? quantity : '',
    ) ?? [];
  return number === '' ? NaN : Number(number) * (units[unit] ?? NaN);
}

/** A word or a number as text; '' for what is neither. */
export const scalar = (value: Json | undefined): string =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
