// Where the lab keeps what it has installed: one folder outside the repository, for all of a user's working copies.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { Build } from './product.ts';

/** $BURGAGE_LAB_CACHE, else burgage-lab in the user's cache folder. It need not exist yet. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  // A relative path means what it means where the user stands.
  if (env.BURGAGE_LAB_CACHE) return resolve(env.INIT_CWD ?? process.cwd(), env.BURGAGE_LAB_CACHE);
  const user = env.XDG_CACHE_HOME;
  // The XDG Base Directory Specification has relative paths ignored.
  return join(user && isAbsolute(user) ? user : join(homedir(), '.cache'), 'burgage-lab');
}

export function folderOf(build: Build): string {
  return join(cacheFolder(), build.name, build.version);
}

/** A folder gets its name only when it is complete. */
export function isInstalled(build: Build): boolean {
  return existsSync(folderOf(build));
}
