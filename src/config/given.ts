/** A configuration as it was given, file and command line, and the report of what is wrong with it. */
import { NoisefoldError } from '../base/errors.ts';
import { quote } from './quote.ts';
import { readYaml, type Path, type Position, type Problem } from './source.ts';

/** One `--set path=value`. */
export interface Setting {
  readonly path: Path;
  /** As it was typed: `noise.numerical=0.2`. */
  readonly typed: string;
}

export interface GivenConfig {
  /** The file's name, for messages. */
  readonly file: string;
  /** The file as it is: what lines and columns refer to. */
  readonly written: string;
  /** What counts: the YAML with the settings made. */
  readonly text: string;
  /** In the order in which they were made. */
  readonly settings: readonly Setting[];
}

/** A file to which no setting was made. */
export const unchanged = (text: string, file: string): GivenConfig => ({ file, written: text, text, settings: [] });

/** Where a problem stands in the file, or the setting that it came with. */
export type Place = Position | { readonly setting: string };

/** Finds the places of problems. A path that a setting wrote is that setting's; the last one counts, as it does when they are made. */
function placesIn({ written, settings }: GivenConfig): (problem: Problem) => Place {
  const source = readYaml(written);
  const isPrefix = (short: Path, long: Path): boolean =>
    short.length <= long.length && short.every((step, i) => String(step) === String(long[i]));
  return ({ path, at }) => {
    const setting = settings.findLast(
      (one) => isPrefix(one.path, path) || (path.length > 0 && isPrefix(path, one.path) && !source.has(path)),
    );
    return setting === undefined ? source.locate(path, at ?? 'value') : { setting: setting.typed };
  };
}

/** A problem as it is told. */
export interface Found {
  readonly place: Place;
  readonly what: string;
}

/** Problems with their places. */
export function placed(given: GivenConfig, problems: readonly Problem[]): readonly Found[] {
  const placeOf = placesIn(given);
  return problems.map((problem) => ({ place: placeOf(problem), what: sentence(problem) }));
}

/** No more lines than anyone reads: a file that is no configuration at all has a problem a line. */
const mostLines = 50;
/** Longer than any list of keys; what the user wrote is shortened where it is quoted. */
const longestLine = 1_000;

/** CONFIG_INVALID: what is wrong in file order, one line each, `file:line:column  what`; then the settings, `--set path=value  what`. */
export function invalid(
  file: string,
  problems: readonly Found[],
  hint = 'docs/config.md lists every key with its default.',
): NoisefoldError {
  const order = (place: Place): number => ('setting' in place ? Infinity : place.line * 1e6 + place.column);
  const lines = problems
    .toSorted((a, b) => (order(a.place) === order(b.place) ? 0 : order(a.place) - order(b.place)))
    .map(({ place, what }) => {
      const where = 'setting' in place ? `--set ${quote(place.setting)}` : `${file}:${place.line}:${place.column}`;
      return `${where}  ${what.length > longestLine ? `${what.slice(0, longestLine)}…` : what}`;
    });
  const more = lines.length > mostLines ? [`... and ${lines.length - mostLines} more`] : [];
  return new NoisefoldError(
    'CONFIG_INVALID',
    [`${lines.length} ${lines.length === 1 ? 'problem' : 'problems'}`, ...lines.slice(0, mostLines), ...more].join('\n'),
    { hint },
  );
}

/** A problem as a line says it: the path, then the message. */
const sentence = ({ path, message }: Problem): string =>
  path.length === 0 ? message : `${path.map((step) => quote(String(step))).join('.')}: ${message}`;
