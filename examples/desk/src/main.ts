// Starts desk as a process: opens its data, listens, and drains when it is told to stop or its supervisor is gone.
import { fstatSync } from 'node:fs';
import { createServer } from 'node:http';
import { createContextVerifier, openTenantData } from '@burgage/app-kit';
import { getRequestListener } from '@hono/node-server';
import { createDesk } from './app.ts';
import { readSettings, type Settings } from './settings.ts';
import { migrations, tables } from './tables.ts';

const drainTimeoutMs = 10_000;
const idleCheckMs = 50;
/** Longer than a gateway keeps an idle connection, so that the gateway is always the one to close it. */
const keepAliveMs = 90_000;

/** One JSON object a line on standard error. */
function log(level: 'info' | 'error', msg: string, details: Record<string, unknown> = {}): void {
  process.stderr.write(`${JSON.stringify({ level, time: new Date().toISOString(), service: 'desk', msg, ...details })}\n`);
}

function settingsOrExit(): Settings {
  try {
    return readSettings(process.env);
  } catch (error) {
    process.stderr.write(`desk cannot start:\n${error instanceof Error ? error.message : error}\n`);
    process.exit(2);
  }
}

const { host, port, upstream, jwksUrl, dataFolder, tenantId } = settingsOrExit();
const data = openTenantData({ folder: dataFolder, migrations, tables });
const verifier = createContextVerifier({ jwksUrl, audience: upstream, tenantId });
let draining = false;
const app = createDesk({
  verifier,
  data,
  isReady: () => !draining,
  onError: (error) => log('error', 'a request failed', { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
});
const server = createServer({ keepAliveTimeout: keepAliveMs }, getRequestListener(app.fetch));

function drain(reason: string): void {
  if (draining) return;
  draining = true;
  log('info', 'draining', { reason });
  server.close(() => {
    data.close();
    log('info', 'stopped');
    process.exit(0);
  });
  // Idle connections go now, and one that is answering soon after its answer: its client would keep it open.
  server.closeIdleConnections();
  setInterval(() => server.closeIdleConnections(), idleCheckMs).unref();
  setTimeout(() => server.closeAllConnections(), drainTimeoutMs).unref();
}

process.once('SIGTERM', () => drain('SIGTERM'));
process.once('SIGINT', () => drain('SIGINT'));
// A supervisor holds the other end of a pipe: when it dies in whatever way, the pipe ends, and no orphan is left.
const stdin = fstatSync(0);
if (stdin.isFIFO() || stdin.isSocket()) {
  process.stdin.on('end', () => drain('the supervisor is gone'));
  process.stdin.on('error', () => drain('the supervisor is gone'));
  process.stdin.resume();
}

server.on('error', (error) => {
  log('error', `cannot listen on ${host}:${port}`, { error: error.message });
  process.exit(1);
});
server.listen(port, host, () => {
  const address = server.address();
  log('info', 'listening', {
    address: typeof address === 'object' ? `${address?.address}:${address?.port}` : address,
    upstream,
    tenant: tenantId,
  });
});
