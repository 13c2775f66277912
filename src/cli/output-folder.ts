/** Where results go, tried out before the work whose results they are. */
import { mkdir, mkdtemp, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NoisefoldError } from '../base/errors.ts';

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'you may not write there',
  EPERM: 'you may not write there',
  EROFS: 'the file system is read-only',
  EEXIST: 'a file has this name, or that of a folder above it',
  ENOTDIR: 'a file has this name, or that of a folder above it',
  ENOENT: 'the system makes no folders there',
  ENAMETOOLONG: 'the name is too long',
};

/** What the file system said of a folder for results, in words; undefined where it is about something else, such as a full disk. */
export function outputRefusal(path: string, cause: unknown): NoisefoldError | undefined {
  const reason = reasons[(cause as NodeJS.ErrnoException | undefined)?.code ?? ''];
  if (reason === undefined) return undefined;
  return new NoisefoldError('OUTPUT_NOT_WRITABLE', `no results can be written here: ${reason}`, {
    where: path,
    hint: 'Name another folder for the results.',
    cause,
  });
}

/** mkdir's own `recursive` never returns where the system refuses with ENOENT although the folder above is there, as in /proc (Node 20). */
async function makeWithParents(path: string): Promise<void> {
  const isFolder = (name: string): Promise<boolean> =>
    stat(name).then(
      (found) => found.isDirectory(),
      () => false,
    );
  if (await isFolder(path)) return;
  const above = dirname(path);
  if (above !== path && !(await isFolder(above))) await makeWithParents(above);
  await mkdir(path).catch(async (cause: unknown) => {
    if (!(await isFolder(path))) throw cause;
  });
}

/** Makes a folder for results and those above it, and writes to it to see that one can. Throws OUTPUT_NOT_WRITABLE, DISK_FULL's cause. */
export async function makeOutputFolder(path: string): Promise<void> {
  try {
    await makeWithParents(path);
    await rmdir(await mkdtemp(join(path, '.noisefold-')));
  } catch (cause) {
    throw outputRefusal(path, cause) ?? cause;
  }
}

/** That a command does not write its results over what it reads, whatever the file is called. Throws OUTPUT_NOT_WRITABLE. */
export async function requireOtherFile(output: string, input: string): Promise<void> {
  const [there, read] = await Promise.all([output, input].map((path) => stat(path).catch(() => undefined)));
  if (there === undefined || read === undefined || there.dev !== read.dev || there.ino !== read.ino) return;
  throw new NoisefoldError('OUTPUT_NOT_WRITABLE', 'the results would be written over the file that they are made from', {
    where: output,
    hint: 'Name another file.',
  });
}

/** Makes the folder of a file of results. Throws OUTPUT_NOT_WRITABLE, also where the file would replace a folder. */
export async function makeFolderOf(path: string): Promise<void> {
  await makeOutputFolder(dirname(path));
  const there = await stat(path).catch(() => undefined);
  if (there?.isDirectory() === true)
    throw new NoisefoldError('OUTPUT_NOT_WRITABLE', 'no results can be written here: a folder has this name', {
      where: path,
      hint: 'Name a file.',
    });
}
