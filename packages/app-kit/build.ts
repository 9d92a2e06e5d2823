// Makes the folder that is published: compiled JavaScript with types, because Node refuses to strip types under node_modules.
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const folder = import.meta.dirname;
/** `dist` beside this file, or the folder that the first argument names. */
const target = process.argv[2] ?? join(folder, 'dist');
rmSync(target, { recursive: true, force: true });

const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
const compiled = spawnSync(process.execPath, [tsc, '-p', join(folder, 'tsconfig.build.json'), '--outDir', target], { stdio: 'inherit' });
if (compiled.status !== 0) process.exit(compiled.status ?? 1);

// `private` keeps the folder of the sources, which would not run under node_modules, from being published.
const {
  private: _private,
  exports: sources,
  devDependencies: _unneeded,
  scripts: _unused,
  ...manifest
} = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const entries = Object.entries<string>(sources).map(([name, source]) => {
  const file = source.replace('./src/', './').replace(/\.ts$/, '');
  return [name, { types: `${file}.d.ts`, default: `${file}.js` }];
});
writeFileSync(join(target, 'package.json'), `${JSON.stringify({ ...manifest, exports: Object.fromEntries(entries) }, null, 2)}\n`);
copyFileSync(join(folder, 'README.md'), join(target, 'README.md'));
copyFileSync(join(folder, '../../LICENSE'), join(target, 'LICENSE'));
