/** YAML text to plain values, and back from a path in them to a line and column. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type YAMLError } from 'yaml';
import { quote } from './quote.ts';

export type Path = readonly (string | number)[];

/** One thing that is wrong: at the value of a path, or at its last key. */
export interface Problem {
  readonly path: Path;
  readonly message: string;
  readonly at?: 'key' | 'value' | undefined;
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface Source {
  /** Plain values; undefined where the text is not YAML at all. */
  readonly value: unknown;
  /** What the YAML parser refuses, in file order. */
  readonly errors: readonly { readonly position: Position; readonly message: string }[];
  /** Whether something stands at a path. */
  has(path: Path): boolean;
  /** Where a path stands, or the nearest mapping around it that is there. */
  locate(path: Path, at: 'key' | 'value'): Position;
}

export function readYaml(text: string): Source {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, stringKeys: true });
  const positionOf = (offset: number): Position => {
    const { line, col } = counter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const errors = document.errors.map((error) => ({ position: positionOf(error.pos[0]), message: describeError(error, text) }));
  const onlyDuplicates = document.errors.every((error) => error.code === 'DUPLICATE_KEY');
  let value: unknown;
  if (onlyDuplicates)
    try {
      value = document.toJS({ maxAliasCount: 100 });
    } catch (thrown) {
      // Aliases that multiply ("billion laughs") or that point nowhere.
      errors.push({ position: { line: 1, column: 1 }, message: thrown instanceof Error ? thrown.message : String(thrown) });
    }
  return { value, errors, has: (path) => document.hasIn(path), locate: (path, at) => positionOf(offsetOf(document, path, at)) };
}

/** What stands at a path of plain values; undefined where nothing does. */
export function valueAt(raw: unknown, path: Path): unknown {
  let here = raw;
  for (const step of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined;
    here = here[step as keyof typeof here];
  }
  return here;
}

function describeError(error: YAMLError, text: string): string {
  if (error.code !== 'DUPLICATE_KEY') return quote(error.message, 200);
  const key = /^(?:"[^"]*"|'[^']*'|[^:\n]*)/.exec(text.slice(error.pos[0]))?.[0] ?? '';
  return `the key \`${quote(key.trim())}\` is written twice (keep one)`;
}

/** Walks down as far as the document goes; what is missing is reported where its parent starts. */
function offsetOf(document: Document, path: Path, at: 'key' | 'value'): number {
  const resolve = (node: unknown): Node | undefined => {
    const target = isAlias(node) ? node.resolve(document) : node;
    return isMap(target) || isSeq(target) || isScalar(target) ? target : undefined;
  };
  let node = resolve(document.contents);
  let offset = node?.range?.[0] ?? 0;
  for (const [depth, step] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (pair === undefined) return offset;
      const keyOffset = isScalar(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
      node = resolve(pair.value);
      // A mapping is named by its key: its own start is that of its first member.
      offset = (at === 'key' && depth === path.length - 1) || !isScalar(node) ? keyOffset : (node.range?.[0] ?? keyOffset);
    } else if (isSeq(node)) {
      node = resolve(node.items[Number(step)]);
      offset = node?.range?.[0] ?? offset;
    } else return offset;
  }
  return offset;
}
