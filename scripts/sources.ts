// Which sources the house has: its workspaces, their manifests and their files.
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';

export interface Manifest {
  readonly name: string;
  readonly workspaces?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export interface Workspace {
  /** From the root, with forward slashes: `services/registry`. */
  readonly folder: string;
  readonly manifest: Manifest;
}

/** What is wrong with a source, and where. */
export interface Fault {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

const skippedFolders: ReadonlySet<string> = new Set(['node_modules', 'dist', 'gen', '.git', '.turbo', '.burgage']);

export function readManifest(root: string, folder = '.'): Manifest {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
}

/** The workspaces that the root's package.json names. */
export function workspacesOf(root: string): readonly Workspace[] {
  const patterns = readManifest(root).workspaces ?? [];
  const manifests = globSync(
    patterns.map((pattern) => `${pattern}/package.json`),
    { cwd: root },
  );
  return manifests
    .map((manifest) => dirname(manifest).split(sep).join('/'))
    .toSorted()
    .map((folder) => ({ folder, manifest: readManifest(root, folder) }));
}

/** The sources below `folder` whose name ends with one of `endings`, from the root, with forward slashes. Generated and built code is left out. */
export function sourcesBelow(root: string, folder: string, endings: readonly string[] = ['.ts', '.mjs', '.js']): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(entry.parentPath, entry.name);
      if (entry.isDirectory()) return skippedFolders.has(entry.name) ? [] : sourcesBelow(root, relative(root, path), endings);
      return entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)) ? [relative(root, path).split(sep).join('/')] : [];
    });
}
