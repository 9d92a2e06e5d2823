// Writes every generated file: protobuf code, docs/errors.md, docs/configuration.md, the catalog's JSON Schema. `--check` only compares;
// `--release` also makes today's contract the one that buf breaking holds later changes against.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { catalogSchemaFile } from './catalog-schema.ts';
import { configurationPage } from './configuration-page.ts';
import { errorsPage } from './errors-page.ts';

const root = join(import.meta.dirname, '..');
const generatedCode = 'packages/contracts/src/gen';
const checkOnly = process.argv.includes('--check');
const stale: string[] = [];

function write(path: string, content: string): void {
  const file = join(root, path);
  let current: string | undefined;
  try {
    current = readFileSync(file, 'utf8');
  } catch {
    current = undefined;
  }
  if (current === content) return;
  if (checkOnly) stale.push(path);
  else writeFileSync(file, content);
}

function filesBelow(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), readFileSync(path, 'utf8')];
    }),
  );
}

function generateProtobuf(): void {
  if (!checkOnly) {
    execFileSync('buf', ['generate'], { cwd: root, stdio: 'inherit' });
    return;
  }
  const fresh = mkdtempSync(join(tmpdir(), 'burgage-generate-'));
  try {
    execFileSync('buf', ['generate', '-o', fresh], { cwd: root, stdio: 'inherit' });
    const wanted = filesBelow(join(fresh, generatedCode));
    const committed = filesBelow(join(root, generatedCode));
    for (const name of new Set([...wanted.keys(), ...committed.keys()])) {
      if (wanted.get(name) !== committed.get(name)) stale.push(join(generatedCode, name));
    }
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/**
 * The contract as released: a buf image as text, without comments and positions, so that a diff shows what was promised.
 * Written when a version is released, and never to silence buf breaking: what it finds would break who runs the version before.
 */
function writeReleasedContract(): void {
  const image = execFileSync('buf', ['build', '--exclude-source-info', '-o', '-#format=json'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  write('proto/released.json', `${JSON.stringify(JSON.parse(image), null, 1)}\n`);
}

generateProtobuf();
if (process.argv.includes('--release')) writeReleasedContract();
write('docs/errors.md', errorsPage());
write('docs/configuration.md', configurationPage());
write('catalogs/catalog.schema.json', catalogSchemaFile());
if (stale.length > 0) {
  process.stderr.write(`Generated files are not fresh; run npm run generate:\n${stale.map((path) => `  ${path}\n`).join('')}`);
  process.exit(1);
}
