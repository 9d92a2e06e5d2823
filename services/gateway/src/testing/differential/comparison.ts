// What two contestants made of the same bytes, side by side.

/**
 * `same` · `ours alone`: we pass something on that the other does not · `theirs alone`: the other does · `otherwise`: both do,
 * but not the same.
 */
export type Difference = 'same' | 'ours alone' | 'theirs alone' | 'otherwise';

/** Compares what was passed on, one after the other. */
export function compare(ours: readonly string[], theirs: readonly string[]): Difference {
  const at = ours.findIndex((one, i) => one !== theirs[i]);
  const first = at < 0 ? ours.length : at;
  if (first === ours.length) return first === theirs.length ? 'same' : 'theirs alone';
  return first === theirs.length ? 'ours alone' : 'otherwise';
}
