// Holds one server that was started by hand until it is told to stop: `node attendant.ts NAME`.
import { systemClock } from '@burgage/runtime';
import { isServerName } from './names.ts';
import type { RunningServer } from './running-server.ts';
import { startServer } from './start-server.ts';
import { type AttendantMessage, removeState, takeName, writeState } from './up.ts';

/** A look at whether it runs takes the name for a moment. */
const nameAttempts = 10;
const nameRetryMs = 50;

async function attend(name: string): Promise<void> {
  if (!isServerName(name)) throw new Error(`${name}: expected the name of a server`);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  for (let attempt = 1; takeName(name) === undefined; attempt++) {
    if (attempt === nameAttempts) throw new Error('it runs already');
    await systemClock.sleep(nameRetryMs);
  }
  let server: RunningServer | undefined;
  try {
    server = await startServer(name, {}, { usualPort: true });
    const up = { name, url: server.url, pid: server.pid, attendantPid: process.pid, folder: server.folder };
    await writeState(up);
    await say({ up });
    await new Promise<void>((resolve) => {
      // Nothing else keeps this process.
      const held = setInterval(() => undefined, 60 * 60_000);
      const end = (): void => {
        clearInterval(held);
        resolve();
      };
      if (stop.signal.aborted) end();
      stop.signal.addEventListener('abort', end);
    });
  } finally {
    await server?.close();
    await removeState(name);
  }
}

/** Nobody may be listening any more. */
async function say(message: AttendantMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (process.connected) process.send?.(message, () => resolve());
  else resolve();
  await promise;
}

try {
  await attend(process.argv[2] ?? '');
} catch (error) {
  await say({ failed: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
}
if (process.connected) process.disconnect?.();
