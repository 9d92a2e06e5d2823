// Runs a program to its end and keeps what it said.
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { LabError } from './errors.ts';
import type { RunOptions } from './product.ts';

/** How much of a failed program's output goes into the error. */
const shownLines = 15;

/**
 * Answers with the standard output. All output is appended to `logFile` where there is one.
 * @throws LabError when it cannot be started or ends with anything but 0, with the end of its output.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  { cwd, env, input, logFile }: RunOptions & { readonly logFile?: string } = {},
): Promise<string> {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  const log = logFile === undefined ? undefined : createWriteStream(logFile, { flags: 'a' });
  log?.write(`$ ${[command, ...args].join(' ')}\n`);
  const output: Buffer[] = [];
  const all: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      if (stream === child.stdout) output.push(chunk);
      all.push(chunk);
      log?.write(chunk);
    });
  }
  // It may end without having read everything.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const how = await new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(`could not be started: ${error.message}`));
    child.on('close', (code, signal) => resolve(code === 0 ? undefined : signal ? `was ended by ${signal}` : `ended with code ${code}`));
  });
  log?.end();
  if (log !== undefined) await finished(log);
  if (how === undefined) return Buffer.concat(output).toString();
  const last = Buffer.concat(all).toString().trimEnd().split('\n').slice(-shownLines);
  throw new LabError(`${command} ${args[0] ?? ''} ${how}:\n${last.map((line) => `  ${line}`).join('\n')}`);
}
