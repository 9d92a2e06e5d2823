// What came, in the form in which every message of an error begins: `field: got X, expected Y`.

const shownLengthMax = 80;

/** `got "X"` with the text as JSON, cut where it is long: what a caller sent is shown, not echoed by the kilobyte. `is missing` for none. */
export function got(text: string): string {
  if (text === '') return 'is missing';
  return `got ${JSON.stringify(text.length > shownLengthMax ? `${text.slice(0, shownLengthMax)}…` : text)}`;
}
