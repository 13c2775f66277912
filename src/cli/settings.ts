/** `--set path=value`: the configuration file with some of its values replaced. */
import { parse, parseDocument, YAMLError } from 'yaml';
import { NoisefoldError } from '../base/errors.ts';
import type { GivenConfig } from '../config/given.ts';

/** Below these, what follows is one key, dots and all: names of columns. */
const keyed = ['noise.swapProbability.columns', 'noise.swapProbability.levels', 'data.kinds'];
/** The short names of parameters, as rankings and messages have them. */
const short = /^noise\.(numerical|categorical|levels|columns)(?=\.|$)/;

/** The keys of a dotted path; short names of parameters are written out. */
export function pathOf(dotted: string): readonly string[] {
  const full = dotted.replace(short, 'noise.swapProbability.$1');
  const parent = keyed.find((prefix) => full.startsWith(`${prefix}.`));
  return parent === undefined ? full.split('.') : [...parent.split('.'), full.slice(parent.length + 1)];
}

/** The YAML with each `path=value` set; values are YAML themselves. What they mean is checked when the text is parsed. Throws USAGE. */
export function applySettings(text: string, settings: readonly string[]): string {
  if (settings.length === 0) return text;
  const document = parseDocument(text);
  // Broken YAML is reported by whoever parses it, with its line.
  if (document.errors.length > 0) return text;
  for (const setting of settings) {
    const at = setting.indexOf('=');
    if (at < 1) throw usage(setting, 'is not path=value');
    let value: unknown;
    try {
      value = parse(setting.slice(at + 1));
    } catch (cause) {
      // Of YAML's own words the first line: the others draw the place of the fault.
      const why = cause instanceof YAMLError ? `: ${cause.message.split(/ at line | *\n/)[0] ?? ''}` : '';
      throw usage(setting, `has no YAML value behind its =${why}`);
    }
    try {
      document.setIn(pathOf(setting.slice(0, at)), document.createNode(value));
    } catch {
      throw usage(setting, 'does not lead to a value: something on the way has no keys');
    }
  }
  return document.toString({ lineWidth: 0 });
}

/** A configuration file with settings made to it, for messages that tell the two apart. Throws USAGE. */
export const givenConfig = (written: string, file: string, settings: readonly string[]): GivenConfig => ({
  file,
  written,
  text: applySettings(written, settings),
  settings: settings.map((typed) => ({ path: pathOf(typed.slice(0, typed.indexOf('='))), typed })),
});

const usage = (setting: string, what: string): NoisefoldError =>
  new NoisefoldError('USAGE', `${setting} ${what}`, {
    where: '--set',
    hint: 'Write it as --set noise.numerical=0.2 or --set training.epochs=20.',
  });
