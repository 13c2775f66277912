/** What is wrong with a command line, of what yargs says about it: which word, and what may stand there. */
import { NoisefoldError } from '../base/errors.ts';
import { allKeys } from '../config/json-schema.ts';

/**
 * USAGE, with where to read on.
 * @param message yargs' own
 * @param args the words behind `noisefold`
 * @param commands as yargs has them: `sweep <config>`
 */
export function usageError(message: string, args: readonly string[], commands: readonly string[]): NoisefoldError {
  const isCommand = (word: string): boolean => commands.some((command) => command.split(' ')[0] === word);
  const command = args.find(isCommand);
  const synopsis = commands.find((known) => known.split(' ')[0] === command);
  const help = `See noisefold ${command === undefined ? '' : `${command} `}--help.`;
  const error = (what: string, hint = help): NoisefoldError => new NoisefoldError('USAGE', what, { hint });
  const asGiven = (name: string): string =>
    args.map((arg) => /^--?[^=]+/.exec(arg)?.[0]).find((arg) => arg?.replace(/^--?/, '') === name) ?? name;

  if (/^Not enough non-option arguments/.test(message))
    return error(
      synopsis?.includes('<') === true
        ? `an argument is missing: noisefold ${synopsis}`
        : `an argument is missing behind ${['noisefold', ...args.filter((arg) => !arg.startsWith('-'))].join(' ')}`,
    );
  const meant = /^Did you mean (.+)\?$/.exec(message)?.[1];
  if (meant !== undefined) {
    const word = args.find((arg) => !arg.startsWith('-') && !isCommand(arg)) ?? '';
    return error(`there is no command ${command === undefined ? '' : `${command} `}${word}; did you mean ${meant}?`);
  }
  const unknown = /^Unknown (?:argument|command)s?: (.+)$/.exec(message)?.[1]?.split(', ').map(asGiven);
  if (unknown !== undefined) {
    if (command === undefined && unknown.every((word) => !word.startsWith('-')))
      return error(`there is no command ${unknown.join(' ')}`);
    const keys = args.includes('--set') || synopsis?.includes('<config>') === true ? unknown.flatMap(keyNamed) : [];
    const set = keys.map((key) => `--set ${key}=VALUE`).join(' ');
    return error(
      `${command ?? 'noisefold'} does not know ${unknown.join(', ')}`,
      set === '' ? help : `A value of the configuration is written so: ${set}`,
    );
  }
  const wrong = [...message.matchAll(/Argument: (\S+), Given: (.+), Choices: (.+)/g)];
  if (wrong.length > 0)
    return error(
      wrong
        .map(([, name = '', given = '', choices = '']) => `${asGiven(name)} ${plain(given)} is none of ${plain(choices)}`)
        .join('; '),
    );
  const missing = /^Missing required arguments?: (.+)$/.exec(message)?.[1];
  if (missing !== undefined)
    return error(
      `${missing
        .split(', ')
        .map((name) => `--${name}`)
        .join(' and ')} must be given`,
    );
  return error(message.trim());
}

const plain = (quoted: string): string => quoted.replaceAll('"', '');

/** `training.epochs` for `--epochs`: the key of the configuration with this last name, if there is but one. */
function keyNamed(option: string): string[] {
  const name = option.replace(/^--?/, '').replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  const found = allKeys().filter(({ path }) => path.at(-1) === name);
  return option.startsWith('-') && found.length === 1 ? found.map(({ path }) => path.join('.')) : [];
}
