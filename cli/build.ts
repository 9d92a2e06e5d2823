// Builds what is published of the command line into dist/: one bundle, and a package.json of its own (`npm publish ./dist`).
import { chmodSync, copyFileSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { isAbsolute, join } from 'node:path';
import { rolldown } from 'rolldown';

interface Manifest {
  readonly name: string;
  readonly workspaces?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
}

const folder = import.meta.dirname;
const root = join(folder, '..');
const dist = join(folder, 'dist');
/** As deep as src/main.ts, so that paths relative to the source hold. */
const binFile = 'bin/burgage.js';
/** Where services/gateway/src/workers/worker-thread.ts looks for it. */
const workerFile = 'bin/gateway-worker.js';

const workspaces = (readManifest(root).workspaces ?? []).flatMap((pattern) =>
  globSync(pattern, { cwd: root }).map((workspace) => readManifest(join(root, workspace))),
);
const workspaceNames = new Set(workspaces.map(({ name }) => name));

rmSync(dist, { recursive: true, force: true });
const imported = [
  ...(await bundled(join(folder, 'src/main.ts'), binFile, '#!/usr/bin/env node')),
  // A thread begins with a file of its own.
  ...(await bundled(join(root, 'services/gateway/src/workers/worker.ts'), workerFile, '')),
];
chmodSync(join(dist, binFile), 0o755);

// What is imported late and is in the bundle all the same leads to the bundle itself.
const packages = [
  ...new Set(imported.filter((specifier) => !isBuiltin(specifier) && specifier !== binFile && specifier !== workerFile).map(packageOf)),
].toSorted();
const {
  private: _private,
  exports: _exports,
  scripts: _scripts,
  devDependencies: _devDependencies,
  ...manifest
} = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>;
const dependencies = Object.fromEntries(packages.map((name) => [name, versionOf(name)]));
writeFileSync(join(dist, 'package.json'), `${JSON.stringify({ ...manifest, bin: { burgage: binFile }, dependencies }, null, 2)}\n`);
copyFileSync(join(root, 'LICENSE'), join(dist, 'LICENSE'));

/** One file of what `input` needs of this repository; gives what it imports besides. */
async function bundled(input: string, file: string, banner: string): Promise<string[]> {
  const bundle = await rolldown({
    input,
    platform: 'node',
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(log.message);
    },
    external: (specifier) => !specifier.startsWith('.') && !isAbsolute(specifier) && !workspaceNames.has(packageOf(specifier)),
  });
  const { output } = await bundle.write({ dir: dist, entryFileNames: file, codeSplitting: false, banner });
  await bundle.close();
  return output.flatMap((one) => (one.type === 'chunk' ? [...one.imports, ...one.dynamicImports] : []));
}

function readManifest(where: string): Manifest {
  return JSON.parse(readFileSync(join(where, 'package.json'), 'utf8')) as Manifest;
}

/** `@scope/name/sub` -> `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** The one version that the workspaces declare. */
function versionOf(name: string): string {
  const versions = new Set(workspaces.flatMap(({ dependencies }) => dependencies?.[name] ?? []));
  const [version] = versions;
  if (version === undefined || versions.size > 1) {
    throw new Error(
      `${name} is imported by the bundle; the workspaces declare it as ${[...versions].join(' and ') || 'nothing'}, expected one version`,
    );
  }
  return version;
}
