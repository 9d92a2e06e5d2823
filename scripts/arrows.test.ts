// Tests of the arrows of the house, on a small house of their own.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { arrowFaults, importsOf } from './arrows.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'burgage-arrows-'));
  manifest('.', {
    name: 'house',
    workspaces: ['packages/*', 'services/*', 'lab', 'local'],
    devDependencies: { '@burgage/lab': '1.0.0', vitest: '1.0.0' },
  });
  manifest('packages/one', { name: '@burgage/one', dependencies: { zod: '1.0.0' } });
  manifest('packages/tenancy', { name: '@burgage/tenancy' });
  manifest('services/left', { name: '@burgage/left', dependencies: { '@burgage/one': '1.0.0', '@burgage/right': '1.0.0' } });
  manifest('services/right', { name: '@burgage/right' });
  manifest('lab', { name: '@burgage/lab', dependencies: { '@burgage/one': '1.0.0' } });
  manifest('local', { name: '@burgage/local', dependencies: { '@burgage/left': '1.0.0' } });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function file(path: string, ...lines: string[]): void {
  mkdirSync(join(root, dirname(path)), { recursive: true });
  writeFileSync(join(root, path), lines.join('\n'));
}

function manifest(folder: string, content: object): void {
  file(join(folder, 'package.json'), JSON.stringify(content));
}

function faultsOf(path: string, ...lines: string[]): string[] {
  file(path, ...lines);
  return arrowFaults(root).map((fault) => `${fault.file}:${fault.line} ${fault.message}`);
}

test('a house that keeps to its arrows has no fault', () => {
  file(
    'packages/one/src/index.ts',
    "import { z } from 'zod';",
    "import { readFile } from 'node:fs/promises';",
    "export * from './other.ts';",
  );
  file('packages/one/src/index.test.ts', "import { test } from 'vitest';", "import { startServer } from '@burgage/lab';");
  file('lab/src/index.ts', "import { one } from '@burgage/one';");
  file('packages/one/src/types.ts', "import type { TestOptions } from 'vitest';");
  file('services/left/src/service.ts', "import { one } from '@burgage/one';", "import { decide } from './domain/decide.ts';");
  file('services/left/src/domain/decide.ts', "import { createHash } from 'node:crypto';", "import type { One } from '@burgage/one';");
  file('packages/tenancy/src/catalog-file.ts', "import { readFile } from 'node:fs/promises';");
  file('packages/tenancy/src/index.ts', "export * from './catalog-file.ts';");
  file('local/src/main.ts', "const left = await import('@burgage/left');");
  file('lab/k6/users.js', "import http from 'k6/http';", "import { check } from 'k6';");
  expect(arrowFaults(root)).toEqual([]);
});

test.each([
  ['a package imports the lab', 'packages/one/src/index.ts', "import '@burgage/lab';", 'packages never import lab'],
  ['a package imports a service', 'packages/one/src/index.ts', "import '@burgage/left';", 'packages never import services'],
  [
    'a service imports a service',
    'services/left/src/service.ts',
    "import { right } from '@burgage/right';",
    'services never import services',
  ],
  [
    'a service imports it at run time only',
    'services/left/src/service.ts',
    "await import('@burgage/right');",
    'services never import services',
  ],
  ['an undeclared package', 'services/right/src/service.ts', "import { z } from 'zod';", 'does not declare'],
  ['an undeclared package by a path in it', 'services/right/src/service.ts', "import { z } from 'zod/mini';", 'imports zod, which'],
  ['what k6 brings, outside of what k6 runs', 'lab/src/users.ts', "import { check } from 'k6';", 'imports k6, which'],
  ['a development package outside of tests', 'packages/one/src/index.ts', "import { test } from 'vitest';", 'does not declare'],
  [
    'a relative path into another workspace',
    'services/left/src/service.ts',
    "import { x } from '../../../packages/one/src/x.ts';",
    'outside of services/left',
  ],
  ['a module of Node without its prefix', 'services/left/src/service.ts', "import { join } from 'path';", 'write node:path'],
  ['a domain does I/O', 'services/left/src/domain/decide.ts', "import { readFile } from 'node:fs/promises';", 'pure code'],
  ['a domain uses a package that is not pure', 'services/left/src/domain/decide.ts', "import { one } from '@burgage/one';", 'pure code'],
  ['a domain reaches out to its service', 'services/left/src/domain/decide.ts', "import { x } from '../metrics.ts';", 'never reaches out'],
  [
    'a domain knows an adapter by type',
    'services/left/src/domain/decide.ts',
    "import type { X } from '../adapters/x.ts';",
    'never reaches out',
  ],
  ['a domain hands on what is outside', 'services/left/src/domain/decide.ts', "export { x } from '../metrics.ts';", 'never reaches out'],
  ['tenancy does I/O', 'packages/tenancy/src/slug.ts', "import { readFile } from 'node:fs/promises';", 'pure code'],
  ['tenancy reads files behind its door', 'packages/tenancy/src/slug.ts', "import { load } from './catalog-file.ts';", 'does I/O'],
])('%s: a fault', (_, path, line, message) => {
  const faults = faultsOf(path, '// Head.', line);
  expect(faults).toEqual([expect.stringMatching(new RegExp(`^${path}:2 .*${message}`))]);
});

test('every form of import is read, with its line', () => {
  const source = [
    "import a from 'a';",
    "import type { B } from 'b';",
    'import {',
    '  c,',
    '  type D,',
    "} from 'c';",
    "import * as d from 'd';",
    "import 'e';",
    "export * from 'f';",
    "export type { G } from 'g';",
    "const h = await import('h');",
    "// import('comment')",
    "const text = 'no import';",
    "export const from = 'x';",
  ].join('\n');
  expect(importsOf(source)).toEqual([
    { specifier: 'a', typeOnly: false, line: 1 },
    { specifier: 'b', typeOnly: true, line: 2 },
    { specifier: 'c', typeOnly: false, line: 3 },
    { specifier: 'd', typeOnly: false, line: 7 },
    { specifier: 'e', typeOnly: false, line: 8 },
    { specifier: 'f', typeOnly: false, line: 9 },
    { specifier: 'g', typeOnly: true, line: 10 },
    { specifier: 'h', typeOnly: false, line: 11 },
  ]);
});
