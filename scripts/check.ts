// Runs every check of the house at once; prints a line for each, and the output of those that fail.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { arrowFaults } from './arrows.ts';
import { headFaults } from './heads.ts';
import type { Fault } from './sources.ts';

interface Outcome {
  readonly passed: boolean;
  readonly output: string;
}

const root = join(import.meta.dirname, '..');

/** Name -> check. The programs are those that npm put on the PATH. */
const checks: Readonly<Record<string, () => Promise<Outcome>>> = {
  types: program('tsc', '-p', '.'),
  lint: program('biome', 'check', '--error-on-warnings', '--diagnostic-level=warn', '--max-diagnostics=200', '.'),
  arrows: house(arrowFaults),
  heads: house(headFaults),
  'generated files fresh': program('node', 'scripts/generate.ts', '--check'),
  'buf lint': program('buf', 'lint'),
  // proto/released.json is the contract as it was last released; see scripts/generate.ts for when it is written anew.
  'buf breaking': program('buf', 'breaking', '--against', 'proto/released.json'),
};

function program(command: string, ...args: string[]): () => Promise<Outcome> {
  return () =>
    new Promise((resolve) => {
      const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' });
      const chunks: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
      child.on('error', (error) => resolve({ passed: false, output: `${command} cannot be started: ${error.message}` }));
      child.on('close', (code) => resolve({ passed: code === 0, output: Buffer.concat(chunks).toString() }));
    });
}

function house(rule: (root: string) => readonly Fault[]): () => Promise<Outcome> {
  return async () => {
    const faults = rule(root);
    return { passed: faults.length === 0, output: faults.map(({ file, line, message }) => `${file}:${line} ${message}\n`).join('') };
  };
}

async function run(name: string, check: () => Promise<Outcome>): Promise<boolean> {
  const startMs = performance.now();
  const { passed, output } = await check();
  process.stdout.write(`${passed ? '✔' : '✘'} ${name} ${((performance.now() - startMs) / 1_000).toFixed(1)} s\n`);
  if (!passed) process.stdout.write(`${output.trimEnd()}\n\n`);
  return passed;
}

const results = await Promise.all(Object.entries(checks).map(([name, check]) => run(name, check)));
const failed = results.filter((passed) => !passed).length;
process.stdout.write(failed === 0 ? `all ${results.length} checks passed\n` : `${failed} of ${results.length} checks failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
