/** Wrong input is refused before anything is trained: exit status 2, a code, where it is, and no folder that would have to be cleaned up. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { run, start, temporaryFolder, until } from './harness.ts';

const folder = temporaryFolder();

const table = `id,carat,cut,price
1,0.2,Ideal,300
2,0.3,Good,400
3,0.4,Ideal,500
4,0.5,Fair,600
5,0.6,Good,700
6,0.7,Ideal,800
`;

const config = `
study: refused
data: { train: table.csv, id: id, target: price, kinds: { carat: numerical, cut: categorical } }
model: { kind: mlp, units: 4, layers: 1 }
training: { epochs: 1, batchSize: 2 }
ridge: { folds: { count: 3 } }
`;

interface Case {
  /** The table, and text to replace in the configuration. */
  readonly csv?: string | undefined;
  readonly yaml?: readonly [from: string, to: string];
  readonly args?: readonly string[];
  readonly skip?: boolean;
  /** The first line of what standard error ends with: code, where, message. */
  readonly says: RegExp;
}

const cases: Readonly<Record<string, Case>> = {
  'a missing file': { yaml: ['table.csv', 'tabel.csv'], says: /^DATA_NOT_FOUND tabel\.csv: / },
  'another delimiter than the configuration names': {
    csv: table.replaceAll(',', ';'),
    yaml: ['id: id', 'delimiter: ",", id: id'],
    says: /^DATA_FORMAT table\.csv:1/,
  },
  'a row with a field too many': { csv: table.replace('3,0.4', '3,0,4'), says: /^DATA_RAGGED_ROW table\.csv:4:\d+: .*5 fields/ },
  'a row with a field too few': { csv: table.replace('Good,700', '700'), says: /^DATA_RAGGED_ROW table\.csv:6:\d+: .*3 fields/ },
  'a column that is not there': {
    yaml: ['target: price', 'target: prize'],
    says: /^CONFIG_INVALID: 1 problem\nsweep\.yaml:3:43 .*`prize`.*`price`/,
  },
  'a column without a value': { csv: table.replaceAll(/0\.\d/g, ''), says: /^DATA_ALL_MISSING .*carat/ },
  'text in a numerical column': { csv: table.replace('0.4', 'big'), says: /^DATA_NOT_NUMERIC table\.csv:4.*carat.*big/ },
  'two rows with the same id': { csv: table.replace('4,0.5', '3,0.5'), says: /^DATA_DUPLICATE_ID table\.csv:5/ },
  'a target with one level': { csv: table.replaceAll(/\d00/g, '300'), says: /^DATA_TARGET .*price/ },
  'NaN among the numbers': {
    csv: table.replace('0.4', 'nan'),
    yaml: ['id: id', 'missing: [], id: id'],
    says: /^DATA_NOT_FINITE table\.csv:4.*carat/,
  },
  'an infinite number': { csv: table.replace('0.4', 'inf'), says: /^DATA_NOT_FINITE table\.csv:4.*carat/ },
  'an empty file': { csv: '', says: /^DATA_EMPTY table\.csv: / },
  'a header without rows': { csv: 'id,carat,cut,price\n', says: /^DATA_EMPTY table\.csv: / },
  'more folds than rows': { yaml: ['count: 3', 'count: 7'], says: /^DATA_FOLDS ridge\.folds\.count: 6 labelled rows/ },
  'a batch with more rows than the data': {
    yaml: ['batchSize: 2', 'batchSize: 64'],
    says: /^CONFIG_INVALID: 1 problem\nsweep\.yaml:5:35 .*batchSize/,
  },
  'a misspelt key': { yaml: ['epochs: 1', 'epoch: 1'], says: /^CONFIG_INVALID: 1 problem\nsweep\.yaml:5:13 .*`epoch`.*`epochs`/ },
  'several mistakes in the configuration': {
    yaml: ['units: 4, layers: 1 }\ntraining: { epochs: 1', 'units: -4, layers: 1 }\ntraining: { epochs: many'],
    says: /^CONFIG_INVALID: 2 problems\nsweep\.yaml:4:.*\nsweep\.yaml:5:/,
  },
  'every column that is not there, and a batch that cannot be filled, at once': {
    yaml: ['id: id, target: price, kinds: { carat: numerical, cut', 'id: di, target: price, kinds: { karat: numerical, cut'],
    args: ['--set', 'training.batchSize=64', '--set', 'data.drop=[colour]'],
    says: /^CONFIG_INVALID: 4 problems\nsweep\.yaml:3:\d+ .*`id`.*\nsweep\.yaml:3:\d+ .*`carat`.*\n--set data\.drop=\[colour\] .*`colour`.*\n--set training\.batchSize=64 .*6 rows/,
  },
  'misspelt columns with misspelt keys': {
    yaml: [
      'id: id, target: price, kinds: { carat: numerical, cut: categorical } }',
      'id: di, target: { column: prize, task: binry }, test: test.csv, kinds: { karat: numerical } }\nnoise: { swapProbability: { columns: { cute: 0.1 } } }',
    ],
    args: ['--set', 'training.epoch=1', '--set', 'ridge.folds={count: 3, kind: grouped, column: colour}'],
    says: new RegExp(
      [
        /^CONFIG_INVALID: 8 problems/,
        /sweep\.yaml:3:31 +data\.id: the training table has no column `di`; did you mean `id`\?/,
        /sweep\.yaml:3:53 .*`prize`; did you mean `price`\?/,
        /sweep\.yaml:3:66 .*got the text "binry"; did you mean `binary`\?/,
        /sweep\.yaml:3:81 +data\.test: the test table has no column cut, as the training table has/,
        /sweep\.yaml:3:100 .*`karat`; did you mean `carat`\?/,
        /sweep\.yaml:4:40 .*`cute`; did you mean `cut`\?/,
        /--set training\.epoch=1 +training\.epoch: unknown key `epoch`; did you mean `epochs`\?/,
        /--set ridge\.folds=.* ridge\.folds\.column: .*`colour`/,
      ]
        .map(({ source }) => source)
        .join('.*\\n'),
    ),
  },
  'a missing file with a misspelt key': {
    yaml: ['table.csv', 'tabel.csv, traget: price'],
    says: /^CONFIG_INVALID: 2 problems\nsweep\.yaml:3:16 +data\.train: tabel\.csv: there is no such file\n.*`traget`; did you mean `target`\?/,
  },
  'a file that is not YAML': { yaml: ['}', ''], says: /^CONFIG_INVALID: 1 problem\nsweep\.yaml:\d+:\d+ / },
  'half a worker': { args: ['--workers', '0.5'], says: /^USAGE: --workers must be a whole number/ },
  'a number of threads that is none': { args: ['--threads', 'many'], says: /^USAGE: --threads must be a whole number/ },
  'a device that the engine does not have': {
    args: ['--engine', 'wasm', '--device', 'webgpu'],
    says: /^USAGE: the engine wasm takes the device auto or cpu, not webgpu \(.*auto, onnx\)\n {2}What --engine and --device leave out/,
  },
  "a device of the command line that the configuration's engine does not have": {
    yaml: ['training: {', 'workers: { engine: cpu }\ntraining: {'],
    args: ['--device', 'cuda'],
    says: /^USAGE: the engine cpu takes the device auto or cpu, not cuda/,
  },
  'a GPU where there is none': {
    args: ['--device', 'cuda'],
    skip: existsSync('/dev/nvidiactl'),
    says: /^ENGINE_UNAVAILABLE: .*\n {2}noisefold doctor says what is missing/,
  },
  'an output folder that is a file': {
    args: ['--out', 'table.csv'],
    says: /^OUTPUT_NOT_WRITABLE .*table\.csv\/refused: no results can be written here/,
  },
  'an output folder by the older name of its option': {
    args: ['--output', 'table.csv'],
    says: /^OUTPUT_NOT_WRITABLE .*table\.csv\/refused: no results can be written here/,
  },
  'an output folder that is named twice, by both names': {
    args: ['--out', 'a', '--output', 'b'],
    says: /^USAGE: --out is given twice/,
  },
};

describe('noisefold sweep refuses', { concurrency: 2 }, () => {
  for (const [what, { csv = table, yaml, args = [], skip = false, says }] of Object.entries(cases))
    it(what, { skip }, async () => {
      const own = join(folder, what.replaceAll(' ', '-'));
      mkdirSync(own);
      writeFileSync(join(own, 'table.csv'), csv);
      writeFileSync(join(own, 'test.csv'), 'id,carat\n7,0.8\n');
      writeFileSync(join(own, 'sweep.yaml'), yaml === undefined ? config : config.replace(...yaml));
      const { stderr, stdout } = await run(2, own, 'sweep', 'sweep.yaml', ...args);
      assert.equal(stdout(), '');
      const error = stderr().slice(stderr().search(/^(USAGE|[A-Z]+_[A-Z_]+)[ :]/m));
      assert.match(error, says);
      assert.ok(!existsSync(join(own, 'runs')), 'a folder was left behind');
    });
});

describe('noisefold coordinator', () => {
  it('ends where another process has its port, or that of its metrics', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    try {
      const listen = await run(78, folder, 'coordinator', '--data', 'taken', '--listen', `tcp://127.0.0.1:${port}`);
      assert.match(listen.stderr(), /^WIRE_ADDRESS: cannot listen at /m);
      const free = ['--data', 'taken', '--listen', 'tcp://127.0.0.1:0'];
      const http = await run(78, folder, 'coordinator', ...free, '--http', `127.0.0.1:${port}`);
      assert.match(http.stderr(), /^WIRE_ADDRESS 127\.0\.0\.1:\d+: metrics cannot be served: another process listens there/m);
    } finally {
      taken.close();
    }
  });

  it('is missed by submit where none answers, before anything is uploaded', async () => {
    const own = join(folder, 'nobody');
    mkdirSync(own);
    writeFileSync(join(own, 'table.csv'), table);
    writeFileSync(join(own, 'sweep.yaml'), config);
    const { stderr } = await run(1, own, 'submit', 'sweep.yaml', '--connect', 'tcp://127.0.0.1:9', '--timeout', '1');
    assert.match(stderr(), /^WIRE_UNREACHABLE tcp:\/\/127\.0\.0\.1:9: no coordinator answered within 1 s$/m);
  });

  it('is told by submit and status that nobody works for it, and by fetch what is there so far', async () => {
    const own = join(folder, 'idle');
    mkdirSync(own);
    writeFileSync(join(own, 'table.csv'), table);
    writeFileSync(join(own, 'sweep.yaml'), config);
    const coordinator = start(own, 'coordinator', '--data', 'data', '--listen', 'tcp://127.0.0.1:0');
    const address = await until(coordinator, 'address', () => /listens at (\S+)/.exec(coordinator.stderr())?.[1]);
    const submitted = await run(0, own, 'submit', 'sweep.yaml', '--connect', address);
    assert.match(submitted.stderr(), /^no worker is connected: noisefold worker --connect tcp:/m);
    const status = await run(0, own, 'status', 'refused', '--connect', address);
    assert.match(status.stderr(), /^no worker is connected/m);
    const fetched = await run(0, own, 'fetch', 'refused', '--connect', address);
    assert.match(fetched.stderr(), /^runs\/refused has the study as it is now, running:\n.*0 of \d+ trials/m);
    assert.match(
      fetched.stderr(),
      /^Not there yet: best\/ .* the same command completes the folder: noisefold fetch refused --connect /m,
    );
    assert.ok(!existsSync(join(own, 'runs/refused/best')));
    coordinator.child.kill('SIGTERM');
    await coordinator.ended;
  });
});

describe('noisefold worker', () => {
  it('refuses a device that its engine does not have, as it does all that another start would not mend', async () => {
    const { stderr } = await run(78, folder, 'worker', '--engine', 'tensorflow', '--device', 'webgpu');
    assert.match(stderr(), /^USAGE: the engine tensorflow takes the device auto or cuda, not webgpu/);
  });

  it('says that no coordinator answers, and that it left without one', async () => {
    const { stderr } = await run(75, folder, 'worker', '--connect', 'tcp://127.0.0.1:9', '--idle-exit', '4');
    assert.match(stderr(), /no coordinator has answered at tcp:\/\/127\.0\.0\.1:9 yet/);
    assert.match(stderr(), /left without a coordinator: none answered/);
  });
});
