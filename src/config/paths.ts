/** Paths as text, with forward slashes: what little the configuration needs of them, without asking a file system. */

/** Joins and normalises like POSIX: `.` goes, `..` takes the part before it. An absolute `path` stays as it is. */
export function joinPath(folder: string, path: string): string {
  if (/^(\/|[A-Za-z]:[\\/])/.test(path)) return path;
  const joined = folder === '' ? path : `${folder}/${path}`;
  const root = joined.startsWith('/') ? '/' : '';
  const parts: string[] = [];
  for (const part of joined.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (root === '') parts.push(part);
  }
  return root + parts.join('/') || '.';
}

/** `examples/diamonds/sweep.yaml` names a study `diamonds`, since the file's own name says nothing; `wide.yaml` names it `wide`. */
export function studyFrom(file: string): string {
  const [name = '', folder = ''] = file.split(/[\\/]/).reverse();
  const own = name.replace(/(?!^)\.[^.]*$/, '');
  const chosen = ['sweep', 'config', 'noisefold'].includes(own) && /\w/.test(folder) ? folder : own;
  const study = chosen
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 64);
  return study === '' ? 'study' : study;
}
