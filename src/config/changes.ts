import { quote } from './quote.ts';

const mostChanges = 5;

/** What differs between two plain values, a line each: `training.epochs: 10 -> 20`. Keys that are undefined are not there. Five at most. */
export function changesOf(was: unknown, is: unknown): readonly string[] {
  const changes = differences(was, is, []);
  const more = changes.length - mostChanges;
  return more > 0 ? [...changes.slice(0, mostChanges), `... and ${more} more`] : changes;
}

function differences(was: unknown, is: unknown, path: readonly string[]): string[] {
  if (isMapping(was) && isMapping(is))
    return [...new Set([...Object.keys(was), ...Object.keys(is)])].flatMap((key) =>
      differences(own(was, key), own(is, key), [...path, key]),
    );
  const [before, after] = [shown(was), shown(is)];
  return before === after ? [] : [`${path.join('.')}: ${quote(before)} -> ${quote(after)}`];
}

type Mapping = Readonly<Record<string, unknown>>;

const isMapping = (value: unknown): value is Mapping => typeof value === 'object' && value !== null && !Array.isArray(value);
const own = (mapping: Mapping, key: string): unknown => (Object.hasOwn(mapping, key) ? mapping[key] : undefined);
const shown = (value: unknown): string => (value === undefined ? '(none)' : JSON.stringify(value));
