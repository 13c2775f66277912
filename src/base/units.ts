/** Numbers as people read them, the same on the terminal, in the report and in messages. Negative numbers get a true minus sign. */

const minus = (text: string): string => text.replace(/^-/, '−');

/**
 * Seconds as m:ss, or h:mm:ss from an hour on. Negative and unknown (NaN) durations show as 0:00 and –:––.
 */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–:––';
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

const magnitudes = [
  { unit: 1e9, letter: 'G' },
  { unit: 1e6, letter: 'M' },
  { unit: 1e3, letter: 'k' },
] as const;

/** A rounded count in at most four characters below 999 G: 312, 4.8k, 48k, 1.2M. */
export function count(n: number): string {
  if (!Number.isFinite(n)) return '–';
  const sign = n < 0 ? '−' : '';
  const size = Math.abs(n);
  for (const { unit, letter } of magnitudes) {
    // 0.9995 of a unit and more would be rounded up to it: 999,700 is 1.0M, not 1000k.
    if (size < 0.9995 * unit) continue;
    const scaled = size / unit;
    return sign + (scaled < 9.95 ? scaled.toFixed(1) : scaled.toFixed(0)) + letter;
  }
  return minus(n.toFixed(0));
}

/** An exact whole number with commas between the thousands: 53,940. */
export const thousands = (n: number): string => minus(n.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ','));

/** A ratio in percent with one decimal: 0.365 is `36.5 %`; signed, -0.365 is `−36.5 %` and 0.03 is `+3.0 %`. */
export function percent(ratio: number, sign: 'signed' | 'plain' = 'plain'): string {
  if (!Number.isFinite(ratio)) return '–';
  return `${signed((100 * ratio).toFixed(1), sign)} %`;
}

/** A number to so many significant digits, without exponent where it is readable without: 0.1131, 54.90, 123457, 3.000e-7. */
export function significant(x: number, digits = 4, sign: 'signed' | 'plain' = 'plain'): string {
  if (Number.isNaN(x)) return '–';
  if (!Number.isFinite(x)) return x < 0 ? '−∞' : '∞';
  const rounded = Number(x.toPrecision(digits));
  const size = Math.abs(rounded);
  return signed(size >= 10 ** digits && size < 1e9 ? x.toFixed(0) : x.toPrecision(digits), sign);
}

/** `0.1131 ± 0.00038`: the mean to four significant digits, its standard error to two. The mean alone where there is no error. */
export const plusMinus = (mean: number, standardError: number): string =>
  Number.isFinite(standardError) ? `${significant(mean)} ± ${significant(standardError, 2)}` : significant(mean);

/** `+0.00020 ± 0.00005`: a difference to the last of the two significant digits of its standard error; more would be noise. */
export function differencePlusMinus(mean: number, standardError: number): string {
  if (!(standardError > 0) || !Number.isFinite(standardError)) return significant(mean, 2, 'signed');
  const decimals = Math.min(100, Math.max(0, 1 - Math.floor(Math.log10(Number(standardError.toPrecision(2))))));
  return `${signed(mean.toFixed(decimals), 'signed')} ± ${standardError.toFixed(decimals)}`;
}

/** A rounded text without a sign for zero: -0.0 is not a direction. */
function signed(text: string, sign: 'signed' | 'plain'): string {
  if (Number(text) === 0) return text.replace(/^-/, '');
  return sign === 'signed' && !text.startsWith('-') ? `+${text}` : minus(text);
}

/** `1 epoch`, `3 epochs` */
export const epochsText = (epochs: number): string => (epochs === 1 ? '1 epoch' : `${epochs} epochs`);
