// The parent of every server that a test starts: when the test's process is gone, however it went, the keeper ends them all and removes their folders.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import type { FromKeeper, SpawnRequest, ToKeeper } from './keeper-protocol.ts';
import { killAll, withDescendants } from './process-tree.ts';

const kept = new Map<number, ChildProcess>();
const folders = new Set<string>();

function tell(message: FromKeeper): void {
  if (process.connected) process.send?.(message);
}

function start(id: number, { command, args, cwd, env, logFile }: SpawnRequest): void {
  let child: ChildProcess;
  try {
    const log = openSync(logFile, 'a', 0o600);
    try {
      child = spawn(command, args, { cwd, env, stdio: ['ignore', log, log], detached: true });
    } finally {
      closeSync(log);
    }
  } catch (error) {
    tell({ said: 'failed', id, message: error instanceof Error ? error.message : String(error) });
    return;
  }
  const { pid } = child;
  child.on('error', (error) => {
    if (pid === undefined) tell({ said: 'failed', id, message: error.message });
  });
  if (pid === undefined) return;
  kept.set(pid, child);
  child.on('exit', (code, signal) => {
    kept.delete(pid);
    tell({ said: 'exited', pid, how: signal ? `was ended by ${signal}` : `ended with code ${code}` });
  });
  tell({ said: 'done', id, pid });
}

process.on('message', (message: ToKeeper) => {
  switch (message.do) {
    case 'spawn':
      start(message.id, message.request);
      return;
    case 'own':
      folders.add(message.folder);
      tell({ said: 'done', id: message.id });
      return;
    case 'disown':
      folders.delete(message.folder);
      tell({ said: 'done', id: message.id });
      return;
    default:
      message satisfies never;
  }
});

process.on('disconnect', () => {
  killAll(withDescendants([...kept.keys()]));
  // What is being ended may still make a file: removed again until nothing comes back.
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  process.exit(0);
});

// A terminal's Ctrl-C is for the process that started us; its end is ours.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
