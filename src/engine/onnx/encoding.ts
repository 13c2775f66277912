/**
 * The arithmetic of preprocessors as ONNX nodes: from the inputs of an exported model to the encoded inputs of its networks.
 *
 * Networks of several folds read the same inputs, each in its own encoding. A level's index in the model stands for what every fold makes of the level; texts
 * that no fold tells apart, such as levels that are rare in all of them, share one.
 */
import { type FittedCategorical, layoutOf, type Preprocessor } from '../../dataset/encode.ts';
import { elementType, type OnnxNode, type OnnxTensor, type OnnxValue } from './protobuf.ts';

/** What a categorical column's values are called in the model. */
export interface LevelMap {
  readonly column: string;
  /** From a level's text to its index. */
  readonly levels: Readonly<Record<string, number>>;
  /** For an empty field: its index, or -1 where fitting saw none. */
  readonly missing: number;
  /** Whether the levels are numbers: then a value is looked up as JavaScript's String(Number(text)) writes it, `1` for `1.0`. */
  readonly numbers: boolean;
}

/** A column of the input `levels`. */
interface LevelColumn extends LevelMap {
  /** What each index stands for: the level's place in each encoding, -1 where it has none. */
  readonly places: readonly (readonly number[])[];
}

/** Columns of the input `levels`, in order. */
export const levelMaps = (preprocessors: readonly Preprocessor[]): LevelMap[] =>
  levelColumns(preprocessors).map(({ places: _, ...map }) => map);

/** Columns of the input `numbers`, in order. */
export const numberColumns = (preprocessors: readonly Preprocessor[]): string[] => [
  ...new Set(preprocessors.flatMap(({ columns }) => columns.flatMap(({ kind, name }) => (kind === 'numerical' ? [name] : [])))),
];

const categoricalIn = ({ columns }: Preprocessor): readonly FittedCategorical[] =>
  columns.flatMap((column) => (column.kind === 'categorical' ? [column] : []));

function levelColumns(preprocessors: readonly Preprocessor[]): readonly LevelColumn[] {
  const own = preprocessors.map((preprocessor) => new Map(categoricalIn(preprocessor).map((column) => [column.name, column])));
  const names = new Set(own.flatMap((columns) => [...columns.keys()]));
  return [...names].map((name) =>
    levelColumn(
      name,
      own.map((columns) => columns.get(name)),
    ),
  );
}

/** @param fitted the column in each encoding; undefined where it is no input there */
function levelColumn(name: string, fitted: readonly (FittedCategorical | undefined)[]): LevelColumn {
  const own = fitted.map(placesIn);
  const texts = [...new Set(own.flatMap(({ levels }) => [...levels.keys()]))];
  const placesOf = (text: string): readonly number[] => own.map(({ levels }) => levels.get(text) ?? -1);
  const missing = own.map((column) => column.missing);
  const isKnown = (places: readonly number[]): boolean => places.some((place) => place >= 0);
  const all = [...texts.map(placesOf), missing].filter(isKnown).sort(inOrder);
  const places = [...new Map(all.map((one) => [one.join(), one])).values()];
  const indices = new Map(places.map((one, index) => [one.join(), index]));
  const indexOf = (one: readonly number[]): number => indices.get(one.join()) ?? -1;
  return {
    column: name,
    levels: Object.fromEntries(texts.map((text) => [text, indexOf(placesOf(text))])),
    missing: indexOf(missing),
    numbers: fitted.some((column) => column?.numbers === true),
    places,
  };
}

/** Where a column's encoded columns have its levels: those of their own, missing, then the rare ones together. */
function placesIn(fitted: FittedCategorical | undefined): {
  readonly levels: ReadonlyMap<string, number>;
  readonly missing: number;
} {
  if (fitted === undefined) return { levels: new Map(), missing: -1 };
  const { levels, rare, missing } = fitted;
  const last = levels.length + (missing ? 1 : 0);
  const entries = [...levels.map((level, i) => [level, i] as const), ...rare.map((level) => [level, last] as const)];
  return { levels: new Map(entries), missing: missing ? levels.length : -1 };
}

const inOrder = (a: readonly number[], b: readonly number[]): number => {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
};

export interface Part {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
}

export const vector = (name: string, data: OnnxTensor['data'], type: OnnxTensor['type']): OnnxTensor => ({
  name,
  type,
  shape: [data.length],
  data,
});

const toFloat = (input: string, output: string): OnnxNode => ({
  op: 'Cast',
  inputs: [input],
  outputs: [output],
  attributes: { to: { int: elementType('float32') } },
});

const columnsOf = (input: string, indices: string, output: string): OnnxNode => ({
  op: 'Gather',
  inputs: [input, indices],
  outputs: [output],
  attributes: { axis: { int: 1 } },
});

/** Names of the model's inputs, and of what all encodings begin with. Others in it begin with `/`, so that they are nobody else's. */
export const sharedNames = ['levels', 'numbers', '/one_hot'] as const;

/** The model's inputs, and from `levels` to `/one_hot` [batch, indices of all columns]: 1 where the column's level has the index. */
export function inputNodes(preprocessors: readonly Preprocessor[]): Part & { readonly inputs: readonly OnnxValue[] } {
  const columns = levelColumns(preprocessors);
  const numbers = numberColumns(preprocessors).length;
  const inputs: OnnxValue[] = [
    ...(columns.length === 0 ? [] : [{ name: 'levels', type: 'int32', shape: ['batch', columns.length] } as const]),
    ...(numbers === 0 ? [] : [{ name: 'numbers', type: 'float64', shape: ['batch', numbers] } as const]),
  ];
  if (columns.length === 0) return { nodes: [], initializers: [], inputs };
  const source = BigInt64Array.from(columns.flatMap(({ places }, i) => places.map(() => BigInt(i))));
  const index = Int32Array.from(columns.flatMap(({ places }) => [...places.keys()]));
  return {
    inputs,
    initializers: [vector('/source', source, 'int64'), vector('/index', index, 'int32')],
    nodes: [
      columnsOf('levels', '/source', '/level'),
      { op: 'Equal', inputs: ['/level', '/index'], outputs: ['/is_level'] },
      toFloat('/is_level', '/one_hot'),
    ],
  };
}

/** From the inputs to `encoded` in one of the encodings: one-hot columns, missing indicators, numbers. */
export function encodingNodes(preprocessors: readonly Preprocessor[], own: number): Part {
  const preprocessor = preprocessors[own];
  if (preprocessor === undefined) return { nodes: [], initializers: [] };
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const parts: string[] = [];

  if (categoricalIn(preprocessor).length > 0) {
    const selection = selectionOf(preprocessors, own, preprocessor);
    if (selection === undefined) parts.push('/one_hot');
    else {
      initializers.push(selection);
      nodes.push({ op: 'MatMul', inputs: ['/one_hot', '/selection'], outputs: ['/own_one_hot'] });
      parts.push('/own_one_hot');
    }
  }

  const numerical = preprocessor.columns.flatMap((column) => (column.kind === 'numerical' ? [column] : []));
  if (numerical.length > 0) {
    const all = numberColumns(preprocessors);
    const isAll = numerical.length === all.length && numerical.every(({ name }, i) => name === all[i]);
    const ownNumbers = isAll ? 'numbers' : '/own_numbers';
    if (!isAll) {
      const places = BigInt64Array.from(numerical, ({ name }) => BigInt(all.indexOf(name)));
      initializers.push(vector('/own', places, 'int64'));
      nodes.push(columnsOf('numbers', '/own', ownNumbers));
    }
    const statistic = (key: 'median' | 'mean' | 'deviation'): OnnxTensor =>
      vector(
        `/${key}`,
        Float64Array.from(numerical, (column) => column[key]),
        'float64',
      );
    initializers.push(statistic('median'), statistic('mean'), statistic('deviation'));
    nodes.push({ op: 'IsNaN', inputs: [ownNumbers], outputs: ['/is_missing'] });
    const marked = numerical.flatMap(({ missing }, i) => (missing ? [BigInt(i)] : []));
    if (marked.length > 0) {
      initializers.push(vector('/marked', BigInt64Array.from(marked), 'int64'));
      nodes.push(toFloat('/is_missing', '/missing'), columnsOf('/missing', '/marked', '/indicators'));
      parts.push('/indicators');
    }
    nodes.push(
      { op: 'Where', inputs: ['/is_missing', '/median', ownNumbers], outputs: ['/filled'] },
      { op: 'Sub', inputs: ['/filled', '/mean'], outputs: ['/centred'] },
      { op: 'Div', inputs: ['/centred', '/deviation'], outputs: ['/standardised'] },
      toFloat('/standardised', '/numbers'),
    );
    parts.push('/numbers');
  }
  nodes.push({ op: 'Concat', inputs: parts, outputs: ['encoded'], attributes: { axis: { int: 1 } } });
  return { nodes, initializers };
}

/** [indices of all columns, one-hot columns]: 1 where an index stands for the level of an encoded column; undefined where it is the identity. */
function selectionOf(preprocessors: readonly Preprocessor[], own: number, preprocessor: Preprocessor): OnnxTensor | undefined {
  const { sources } = layoutOf(preprocessor);
  const begins = new Map(sources.map(({ name, encoded }) => [name, encoded[0] ?? 0]));
  const width = sources.reduce((sum, { levels }) => sum + levels, 0);
  const targets = levelColumns(preprocessors).flatMap(({ column, places }) =>
    places.map((one) => {
      const place = one[own] ?? -1;
      return place < 0 ? -1 : (begins.get(column) ?? 0) + place;
    }),
  );
  if (targets.length === width && targets.every((target, index) => target === index)) return undefined;
  const data = new Float32Array(targets.length * width);
  for (const [index, target] of targets.entries()) if (target >= 0) data[index * width + target] = 1;
  return { name: '/selection', type: 'float32', shape: [targets.length, width], data };
}
