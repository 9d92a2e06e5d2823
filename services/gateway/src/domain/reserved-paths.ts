// Paths by which the platform speaks to apps, at their own addresses: nobody reaches them from outside.

const suspect = /burgage|%/i;

/** True for `/_burgage` and all below it, in any spelling that an app's router might take for it. */
export function isReserved(target: string): boolean {
  // Most paths have neither, which is quicker to tell.
  if (!target.includes('_') && !target.includes('%')) return false;
  if (!suspect.test(target)) return false;
  let path = target.split('?', 1)[0] ?? '';
  // Twice: some put two decoders behind each other.
  for (let i = 0; i < 2; i++)
    path = path.replace(/%([0-7][0-9a-f])/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  const segments: string[] = [];
  for (const written of path.split(/[/\\]/)) {
    const segment = (written.split(';', 1)[0] ?? '').trim();
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return segments[0]?.toLowerCase() === '_burgage';
}
