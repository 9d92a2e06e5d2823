// Programs of Debian packages that run with the libraries unpacked beside them, whatever the system has.
import { chmod, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from './errors.ts';

/**
 * Puts a script before `program`, a path below `folder`, that runs it with the loader and the libraries of its own
 * packages, wherever they lie; `more` are further folders of libraries. The script becomes the program: same process.
 */
export async function launchWithOwnLibraries(folder: string, program: string, more: readonly string[] = []): Promise<void> {
  const file = join(folder, program);
  const { folders, loader } = await findLibraries(folder);
  const up = program.split('/').slice(0, -1).fill('..').join('/');
  const paths = [...folders, ...more].map((path) => `$root/${path}`).join(':');
  await rename(file, `${file}.elf`);
  const script = ['#!/bin/sh', `root=$\{0%/*}/${up}`, `exec "$root/${loader}" --argv0 "$0" --library-path "${paths}" "$0.elf" "$@"`, ''];
  await writeFile(file, script.join('\n'));
  await chmod(file, 0o755);
}

/** Where libraries lie below `folder`, and the loader; packages from before the merge of /lib and /usr/lib have both. */
async function findLibraries(folder: string): Promise<{ readonly folders: readonly string[]; readonly loader: string }> {
  const folders: string[] = [];
  let loader: string | undefined;
  for (const parent of ['usr/lib', 'lib']) {
    for (const name of await readdir(join(folder, parent)).catch(() => [])) {
      if (!name.includes('-linux-gnu')) continue;
      const path = `${parent}/${name}`;
      folders.push(path);
      const found = (await readdir(join(folder, path))).find((file) => file.startsWith('ld-linux'));
      if (found !== undefined) loader = `${path}/${found}`;
    }
  }
  if (loader === undefined) throw new LabError(`${folder}: got no loader, expected an ld-linux file of libc6`);
  return { folders, loader };
}
