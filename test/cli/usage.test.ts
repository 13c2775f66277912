import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { usageError } from '../../src/cli/usage.ts';

const commands = ['sweep <config>', 'data', 'status <study>', 'features', 'export <format>'];
const said = (message: string, ...args: readonly string[]): string => usageError(message, args, commands).format();

describe('what is wrong with a command line', () => {
  it('names the argument that is missing', () => {
    assert.equal(
      said('Not enough non-option arguments: got 0, need at least 1', 'sweep'),
      'USAGE: an argument is missing: noisefold sweep <config>\n  See noisefold sweep --help.',
    );
    assert.match(
      said('Not enough non-option arguments: got 0, need at least 1', 'data', 'inspect'),
      /^USAGE: an argument is missing behind noisefold data inspect\n/,
    );
    assert.match(said('Missing required argument: model', 'features', '--data', 'x'), /^USAGE: --model must be given\n/);
    assert.match(said('Missing required arguments: model, data', 'features'), /^USAGE: --model and --data must be given\n/);
  });

  it('says which command is none, and which is meant', () => {
    assert.match(
      said('Did you mean sweep?', 'swep', 'a.yaml'),
      /^USAGE: there is no command swep; did you mean sweep\?\n.*noisefold --help/,
    );
    assert.match(
      said('Did you mean inspect?', 'data', '-q', 'inspekt'),
      /^USAGE: there is no command data inspekt; did you mean inspect\?\n.*data --help/,
    );
    assert.match(said('Unknown argument: nonsense', 'nonsense'), /^USAGE: there is no command nonsense\n/);
  });

  it('says which word is not known, as it was typed, and how a key of the configuration is set', () => {
    assert.equal(
      said('Unknown arguments: epochs, foo', 'sweep', 'a.yaml', '--epochs=1', '--foo', '2'),
      'USAGE: sweep does not know --epochs, --foo\n  A value of the configuration is written so: --set training.epochs=VALUE',
    );
    assert.match(
      said('Unknown argument: batch-size', 'sweep', 'a.yaml', '--batch-size', '2'),
      /--set training\.batchSize=VALUE$/,
    );
    assert.match(
      said('Unknown argument: b', 'sweep', 'a.yaml', 'b'),
      /^USAGE: sweep does not know b\n {2}See noisefold sweep --help/,
    );
    assert.match(
      said('Unknown argument: epochs', 'status', 'x', '--epochs', '1'),
      /^USAGE: status does not know --epochs\n {2}See/,
    );
  });

  it('lists what may stand there', () => {
    const message = (name: string): string => `Invalid values:\n  Argument: ${name}, Given: "gpu", Choices: "auto", "onnx"`;
    assert.match(said(message('engine'), 'sweep', 'a', '--engine', 'gpu'), /^USAGE: --engine gpu is none of auto, onnx\n/);
    assert.match(said(message('format'), 'export', 'gpu'), /^USAGE: format gpu is none of auto, onnx\n/);
  });

  it('passes on what options say themselves', () => {
    assert.match(
      said('--workers must be a whole number, at least 1', 'sweep'),
      /^USAGE: --workers must be a whole number, at least 1\n/,
    );
  });
});
