// What an app's process may touch under Node's permission model: its own code, what that imports, and its data folder.
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';

/** `folder` and every folder above it. */
function ancestors(folder: string): string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...ancestors(above)];
}

function packageFolderOf(file: string): string {
  return ancestors(dirname(file)).find((folder) => existsSync(join(folder, 'package.json'))) ?? dirname(file);
}

/** The package's own folder, the node_modules it can see, and the folders of packages that are linked into those. */
function codeFolders(packageFolder: string, seen = new Set<string>()): Set<string> {
  if (seen.has(packageFolder)) return seen;
  seen.add(packageFolder);
  const visible = ancestors(packageFolder)
    .map((folder) => join(folder, 'node_modules'))
    .filter((folder) => existsSync(folder));
  for (const folder of visible) seen.add(folder);
  const manifest = join(packageFolder, 'package.json');
  if (!existsSync(manifest)) return seen;
  const { dependencies = {} } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly dependencies?: Record<string, string> };
  for (const name of Object.keys(dependencies)) {
    const installed = visible.map((folder) => join(folder, name)).find((folder) => existsSync(folder));
    const real = installed && realpathSync(installed);
    if (real && !real.split(sep).includes('node_modules')) codeFolders(real, seen);
  }
  return seen;
}

/**
 * Node's arguments that start `entry`, after `preload` where one is given, with reading of its code and reading and writing of `dataFolder` allowed, no child
 * processes and no native addons. A guard against accidents, not isolation: node:sqlite opens files past it.
 */
export function permittedArguments(entry: string, dataFolder: string, preload?: string): string[] {
  const readable = codeFolders(packageFolderOf(realpathSync(entry)));
  return [
    '--permission',
    '--allow-net',
    ...[...readable].map((folder) => `--allow-fs-read=${folder}`),
    `--allow-fs-read=${dataFolder}`,
    `--allow-fs-write=${dataFolder}`,
    ...(preload === undefined ? [] : [`--allow-fs-read=${preload}`, '--import', preload]),
    '--disable-warning=ExperimentalWarning',
    entry,
  ];
}
