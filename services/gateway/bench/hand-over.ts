// `npm run bench:hand-over`: how long new connections wait while one gateway takes over from another.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runMain } from '@burgage/runtime';
import { number } from './results.ts';

const usage = 'Hands over ten times under 200 new connections a second, and says how long these waited.\n';
const loopback = '127.0.0.1';
const gatewayFile = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const perSecond = 200;
const handOvers = 10;
/** Between two: at rest, so that there is something to compare with. */
const restMs = 3_000;
const request = 'GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n\r\n';

/** From before it connected to the end of its answer; NaN where it had none. */
function ask(port: number): Promise<number> {
  const begunMs = performance.now();
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, loopback, () => socket.write(request));
    socket.on('data', (bytes) => (answer += bytes));
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer.startsWith('HTTP/1.1 200 ') ? performance.now() - begunMs : Number.NaN));
  });
}

/** Resolves when the gateway says so, once more than before. */
function hears(gateway: ChildProcess, words: string): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    const hear = (text: Buffer): void => {
      said += text;
      if (!said.includes(words)) return;
      gateway.stdout?.off('data', hear);
      resolve(said);
    };
    gateway.stdout?.on('data', hear);
  });
}

function line(name: string, waitedMs: readonly number[]): string {
  const sorted = waitedMs.filter((ms) => !Number.isNaN(ms)).toSorted((a, b) => a - b);
  const at = (share: number): string => number(sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN, 1);
  const failed = waitedMs.length - sorted.length;
  return `${name.padEnd(24)}${waitedMs.length} connections, ${failed} failed, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms\n`;
}

async function main(): Promise<void> {
  const app = createServer((_, response) => response.end('app')).listen(0, loopback);
  await once(app, 'listening');
  const folder = await mkdtemp(join(tmpdir(), 'burgage-hand-over-'));
  const routes = join(folder, 'routes.ndjson');
  const backends = [`${loopback}:${(app.address() as AddressInfo).port}`];
  await writeFile(routes, JSON.stringify({ host: 'acme.test', tenant: 'ten_1', backends }));
  const gateway = spawn(process.execPath, [gatewayFile, '--routes', routes, '--port', '0', '--hand-over'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = Number(/ready gateway http:\S+:(\d+)/.exec(await hears(gateway, 'ready gateway'))?.[1]);

  const [atRest, handingOver]: Promise<number>[][] = [[], []];
  let isHandingOver = false;
  const asking = setInterval(() => (isHandingOver ? handingOver : atRest)?.push(ask(port)), 1_000 / perSecond);
  for (let count = 0; count < handOvers; count++) {
    await new Promise((resolve) => setTimeout(resolve, restMs));
    isHandingOver = true;
    gateway.kill('SIGUSR2');
    await hears(gateway, 'the gateway that was taken over from has left');
    isHandingOver = false;
  }
  clearInterval(asking);
  const waited = { 'at rest': await Promise.all(atRest ?? []), [`in ${handOvers} hand-overs`]: await Promise.all(handingOver ?? []) };
  for (const [name, waitedMs] of Object.entries(waited)) process.stdout.write(line(name, waitedMs));
  if (Object.values(waited).flat().some(Number.isNaN)) process.exitCode = 1;
  gateway.kill('SIGTERM');
  await once(gateway, 'exit');
  app.closeAllConnections();
  app.close();
  await rm(folder, { recursive: true, force: true });
}

await runMain(usage, main);
