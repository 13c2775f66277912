import { nearest } from '../base/nearest.ts';

/** `; did you mean \`epochs\`?`, or nothing where no known word is close. */
export function suggestion(word: string, known: readonly string[]): string {
  const meant = nearest(word, known);
  return meant === undefined ? '' : `; did you mean \`${meant}\`?`;
}
