// The arrows of the house: who may import whom, read from the imports of every workspace.
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix } from 'node:path';
import { type Fault, type Manifest, readManifest, sourcesBelow, type Workspace, workspacesOf } from './sources.ts';

interface Import {
  readonly specifier: string;
  readonly line: number;
  /** `import type` and `export type` are gone at run time. */
  readonly typeOnly: boolean;
}

/** The first folder of a workspace -> the first folders of the workspaces that it may import. */
const allowedLayers: Readonly<Record<string, readonly string[]>> = {
  packages: ['packages'],
  services: ['packages'],
  examples: ['packages'],
  cli: ['packages', 'services'],
  lab: ['packages'],
  local: ['packages', 'services', 'examples', 'lab'],
  loadtest: ['packages', 'services', 'lab', 'local'],
};
/** The layer that tests and benches of every workspace may import. */
const developmentLayer = 'lab';

/** Folders whose code decides and does nothing else, and the files in them that may do I/O. */
const pureFolders = [/^services\/[^/]+\/src\/domain\//, /^packages\/tenancy\/src\//];
const impureFiles: ReadonlySet<string> = new Set(['packages/tenancy/src/catalog-file.ts']);
/** Only the public door hands out what an impure file offers. */
const doors: ReadonlySet<string> = new Set(['packages/tenancy/src/index.ts']);
/** What pure code may use at run time besides itself; types may come from anywhere but the adapters. */
const pureModules: ReadonlySet<string> = new Set([
  '@bufbuild/protobuf',
  '@burgage/contracts',
  '@burgage/tenancy',
  'any-ascii',
  'node:buffer',
  'node:crypto',
  'node:util',
  'tr46',
  'yaml',
  'zod',
]);

/** What k6 runs imports what k6 brings. */
const k6Script = /\/k6\/[^/]+\.js$/;

/** Tests, conformance suites, benches and build files: they may use what is only there for development, as types may anywhere. */
const developmentFile = /\.test\.ts$|\/(?:conformance|testing|test|bench|stories|faults)\//;

const staticImport = /^[ \t]*(?:import|export)\s+(type\s+)?(?:[\w$*{},\s]*?\bfrom\s*)?['"]([^'"\n]+)['"]/gm;
const dynamicImport = /^(?![ \t]*(?:\/\/|\*)).*?\bimport\(\s*['"]([^'"\n]+)['"]/gm;

/** Every import that goes against the arrows, below `root`. */
export function arrowFaults(root: string): readonly Fault[] {
  const workspaces = workspacesOf(root);
  const rootManifest = readManifest(root);
  return workspaces.flatMap((workspace) =>
    sourcesBelow(root, workspace.folder).flatMap((file) =>
      importsOf(readFileSync(join(root, file), 'utf8')).flatMap((found) => {
        const complaints = [...layerComplaints(file, found, workspace, workspaces, rootManifest), ...pureComplaints(file, found)];
        return complaints.map((message) => ({ file, line: found.line, message }));
      }),
    ),
  );
}

/** The imports in a source, in order of place. */
export function importsOf(source: string): readonly Import[] {
  const found = [
    ...[...source.matchAll(staticImport)].map((match) => ({ match, specifier: match[2] ?? '', typeOnly: match[1] !== undefined })),
    ...[...source.matchAll(dynamicImport)].map((match) => ({ match, specifier: match[1] ?? '', typeOnly: false })),
  ];
  return found
    .toSorted((a, b) => a.match.index - b.match.index)
    .map(({ match, specifier, typeOnly }) => ({ specifier, typeOnly, line: source.slice(0, match.index).split('\n').length }));
}

function layerComplaints(
  file: string,
  { specifier, typeOnly }: Import,
  workspace: Workspace,
  workspaces: readonly Workspace[],
  root: Manifest,
): string[] {
  const { folder, manifest } = workspace;
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(file), specifier);
    return target.startsWith(`${folder}/`) ? [] : [`imports ${target}, which is outside of ${folder}: import the package by its name`];
  }
  if (isBuiltin(specifier)) return specifier.startsWith('node:') ? [] : [`imports ${specifier}: write node:${specifier}`];
  const name = packageOf(specifier);
  if (name === manifest.name || (name === 'k6' && k6Script.test(file))) return [];
  const target = workspaces.find((other) => other.manifest.name === name);
  if (target !== undefined) {
    const layer = layerOf(folder);
    const targetLayer = layerOf(target.folder);
    const forDevelopment = targetLayer === developmentLayer && isDevelopmentFile(file, folder);
    if (!forDevelopment && !(allowedLayers[layer] ?? []).includes(targetLayer))
      return [`imports ${name}: ${layer} never import ${targetLayer}`];
  }
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies };
  const development = { ...manifest.devDependencies, ...root.devDependencies };
  if (name in declared || ((typeOnly || isDevelopmentFile(file, folder)) && name in development)) return [];
  return [`imports ${name}, which the package.json of ${folder} does not declare`];
}

function pureComplaints(file: string, { specifier, typeOnly }: Import): string[] {
  const pure = pureFolders.map((folder) => folder.exec(file)?.[0]).find((prefix) => prefix !== undefined);
  if (pure === undefined || impureFiles.has(file) || developmentFile.test(file)) return [];
  if (!specifier.startsWith('.')) {
    return typeOnly || pureModules.has(isBuiltin(specifier) ? specifier : packageOf(specifier))
      ? []
      : [`imports ${specifier} into pure code: take what it does as a parameter`];
  }
  const target = posix.join(posix.dirname(file), specifier);
  if (impureFiles.has(target)) return doors.has(file) ? [] : [`imports ${target}, which does I/O`];
  if (target.startsWith(pure) || (typeOnly && !target.includes('/adapters/'))) return [];
  return [`imports ${target}: pure code never reaches out of ${pure}`];
}

function isDevelopmentFile(file: string, folder: string): boolean {
  return developmentFile.test(file) || posix.dirname(file) === folder;
}

function layerOf(folder: string): string {
  return folder.split('/')[0] ?? folder;
}

/** The package that an import names: `@scope/name/sub` -> `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}
