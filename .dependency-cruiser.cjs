/** The house's import rules (docs/architecture.md): imports go down the flow, never up; pure rooms do no I/O. */
const flow = [
  ['base'],
  ['config'],
  ['dataset'],
  ['noise', 'search', 'model', 'ridge'],
  ['plan'],
  ['scheduler'],
  ['wire', 'store', 'artifacts', 'engine', 'checkpoint'],
  ['train'],
  ['coordinator', 'worker', 'rank'],
  ['report'],
  ['cli'],
];
const pure = ['base', 'config', 'noise', 'search', 'model', 'ridge', 'plan', 'scheduler', 'rank', 'report'];
const rooms = (names) => `^src/(${names.join('|')})/`;

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, dependencyTypesNot: ['type-only'] } },
    ...flow.slice(0, -1).map((layer, i) => ({
      name: `${layer.join('+')}-imports-down`,
      severity: 'error',
      comment: 'imports go down the flow, never up (types may)',
      from: { path: rooms(layer) },
      to: { path: rooms(flow.slice(i + 1).flat()), dependencyTypesNot: ['type-only'] },
    })),
    {
      name: 'coordinator-and-worker-apart',
      severity: 'error',
      comment: 'they meet only through wire/',
      from: { path: '^src/(coordinator|worker)/' },
      to: { path: '^src/(coordinator|worker)/', pathNot: '^src/$1/' },
    },
    {
      name: 'pure-rooms-do-no-io',
      severity: 'error',
      comment: 'time, randomness, files and sockets are handed in; hashing is a function',
      from: { path: rooms(pure) },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
    },
    {
      name: 'pure-rooms-open-no-sockets',
      severity: 'error',
      from: { path: rooms(pure) },
      to: { path: 'node_modules/(zeromq|onnxruntime-node|winston|yargs|@photostructure)/' },
    },
    {
      name: 'generated-code-stays-behind-the-codec',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(wire/[a-z-]*codec|engine/(onnx|tensorflow)/[a-z-]+|wire/generated/.*|engine/(onnx|tensorflow)/generated/.*)\\.' },
      to: { path: '/generated/' },
    },
    {
      name: 'adapters-are-constructed-by-the-composition-root',
      severity: 'error',
      comment: 'only cli/ (and the task process, worker/task-process.ts) picks sqlite, zmq or an engine',
      from: { path: '^src/', pathNot: ['^src/cli/', '^src/worker/task-process\\.ts$', '^src/(store|wire|artifacts|engine)/'] },
      to: {
        path: ['^src/store/sqlite', '^src/wire/zmq', '^src/artifacts/(files|s3/)', '^src/engine/(registry|onnx/|tensorflow/|eager/)'],
        dependencyTypesNot: ['type-only'],
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
