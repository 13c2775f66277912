/** Text as a message can hold it: on one line, and its beginning only where it is longer than `most` characters. */
export function quote(text: string, most = 60): string {
  const start = text.slice(0, most).replace(/\s+/g, ' ');
  return text.length > most ? `${start.slice(0, most - 1)}…` : start;
}
