/** With which versions of noisefold and of Node a study was run: what is computed may change with either, if only in its last bits. */
import { readFile } from 'node:fs/promises';
import { canonicalJson } from '../base/json.ts';
import { writeFileDurably } from '../checkpoint/files.ts';
import { version } from './version.ts';

export interface Versions {
  readonly noisefold: string;
  /** Unknown of a study that was begun before this was kept. */
  readonly node?: string;
}

const own: Versions = { noisefold: version, node: process.versions.node };

/**
 * Keeps in the file who runs the study, one after the other: the first began it, the last ran it last. Resolves to those before this run.
 * @param unrecorded the noisefold of a study whose folder has no such file; undefined for a new study
 */
export async function keepVersions(file: string, unrecorded: string | undefined, now = own): Promise<readonly Versions[]> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const before = (text === undefined ? undefined : listIn(text)) ?? (unrecorded === undefined ? [] : [{ noisefold: unrecorded }]);
  const last = before.at(-1);
  if (last?.noisefold !== now.noisefold || last.node !== now.node)
    await writeFileDurably(file, `${canonicalJson([...before, now], 2)}\n`);
  return before;
}

/** Undefined where it holds something else: it is a note for people, and begun anew. */
function listIn(text: string): readonly Versions[] | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return Array.isArray(value) ? (value as Versions[]) : undefined;
  } catch {
    return undefined;
  }
}

/** A line for who goes on with what another noisefold has run; undefined where none has. */
export function versionsNote(before: readonly Versions[], now = own): string | undefined {
  const others = [...new Set(before.map(({ noisefold }) => noisefold))].filter((other) => other !== now.noisefold);
  return others.length === 0
    ? undefined
    : `noisefold ${others.join(' and ')} ran it before, and this is ${now.noisefold}: its bytes may differ from those of a run by one version`;
}
