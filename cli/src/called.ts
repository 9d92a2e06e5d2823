// Says how the user called this command, so that a command it advises can be typed as it stands.
import type { ConnectionOptions } from './connection.ts';

/**
 * `burgage`, or `npx burgage` where npx (`npm exec`) started it, with the options that lead to the same platform:
 * `npx burgage --data /srv/burgage`. What follows is the command.
 */
export function calledAs(env: Readonly<Record<string, string | undefined>>, { data, api }: ConnectionOptions = {}): string {
  // Every process below one that npx started inherits these; the script says whether it is this command that npx was given.
  const byNpx = env.npm_lifecycle_event === 'npx' && /^\W*burgage\b/.test(env.npm_lifecycle_script ?? '');
  const options = Object.entries({ '--data': data, '--api': api }).flatMap(([flag, value]) =>
    value === undefined ? [] : [flag, shellWord(value)],
  );
  return [byNpx ? 'npx burgage' : 'burgage', ...options].join(' ');
}

/** `value` as one word of a shell. */
function shellWord(value: string): string {
  return /^[\w@%+=:,./\\-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}
