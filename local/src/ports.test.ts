// A free port is given once, to whoever asks for one and wherever.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { systemRandom } from '@burgage/runtime';
import { expect, test } from 'vitest';
import { assertPortFree, freePort } from './ports.ts';

const host = '127.0.0.1';

/** Draws these ports in turn, and the last one from then on. */
function drawing(...ports: readonly number[]) {
  let next = 0;
  const float = () => ((ports[Math.min(next++, ports.length - 1)] ?? 0) - 10_000 + 0.5) / 10_000;
  return { ...systemRandom, float };
}

test('is given once in a process, and is not held', async () => {
  const first = await freePort(host);
  const second = await freePort(host, drawing(first, await freePort(host), first, first + 1, first + 2));
  expect(second).not.toBe(first);
  await assertPortFree(host, first);
});

test('is not given where somebody listens', async () => {
  const taken = 19_999;
  const listener = createServer();
  // Where it is somebody else's already, that is as good.
  await new Promise((resolve) => listener.once('error', resolve).listen(taken, host, () => resolve(undefined)));
  await expect(freePort(host, drawing(taken))).rejects.toMatchObject({ code: 'port_taken' });
  listener.close();
});

test('is given to no other process as long as this one lives', async () => {
  const port = await freePort(host);
  const program = `
    const { freePort } = await import(${JSON.stringify(new URL('./ports.ts', import.meta.url).href)});
    const { systemRandom } = await import('@burgage/runtime');
    const draw = (port) => (port - 10_000 + 0.5) / 10_000;
    let draws = 0;
    const random = { ...systemRandom, float: () => draw(${port} + (draws++ < 3 ? 0 : draws)) };
    console.log(await freePort('127.0.0.1', random));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said, [code]] = await Promise.all([child.stdout.setEncoding('utf8').toArray(), once(child, 'exit')]);
  expect(code).toBe(0);
  const given = Number(said.join(''));
  expect(given).toBeGreaterThanOrEqual(10_000);
  if (process.platform === 'linux') expect(given).not.toBe(port);
});
