/** For yargs' coerce: `10GiB`, `500MiB`, `2GB`, or bytes. What is thrown here becomes a USAGE error. */
export function byteSize(text: string): number {
  const units: Readonly<Record<string, number>> = {
    '': 1,
    kib: 2 ** 10,
    mib: 2 ** 20,
    gib: 2 ** 30,
    tib: 2 ** 40,
    kb: 1e3,
    mb: 1e6,
    gb: 1e9,
    tb: 1e12,
  };
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const bytes = Number(number) * (units[unit.toLowerCase()] ?? NaN);
  if (number === '' || !Number.isFinite(bytes))
    throw new Error(`--cache-size must be a size such as 10GiB, not ${JSON.stringify(text)}`);
  return Math.floor(bytes);
}
