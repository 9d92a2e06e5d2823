import { connect, createServer, type Socket } from 'node:net';
import { createMetrics } from '@burgage/runtime';
import { expect, test } from 'vitest';
import { eventually, later, registryClient, startProcess, startServer, unrepeatableClient } from '../test/servers.ts';

/** One name for all of `servers`. */
function allOf(...servers: readonly { address(): string }[]) {
  const address = servers.map((server) => server.address()).join(',');
  return { address: () => address };
}

/** Two replicas in processes of their own. */
async function twoProcesses() {
  const [first, second] = await Promise.all([startProcess('127.0.0.1:0'), startProcess('127.0.0.1:0')]);
  return { first, second };
}

type Client = ReturnType<typeof registryClient>;

/** Calls with 32 in flight until it is told to stop, or each has failed; says who answered how often, and at the end what failed. */
function load(client: Client) {
  const failures: unknown[] = [];
  const answers = new Map<string, number>();
  let stopped = false;
  const one = async () => {
    while (!stopped) {
      try {
        const id = (await client.getTenant({})).tenant?.id ?? '';
        answers.set(id, (answers.get(id) ?? 0) + 1);
      } catch (error) {
        failures.push(error);
        return;
      }
    }
  };
  const all = Promise.all(Array.from({ length: 32 }, one));
  const answered = (id: string) => answers.get(id) ?? 0;
  const stop = async () => {
    stopped = true;
    await all;
    return failures;
  };
  return { answered, stop };
}

test('calls are spread over the replicas; when one is killed under load no call that may be repeated fails, and the breaker stays closed', async () => {
  const { first, second } = await twoProcesses();
  const metrics = createMetrics();
  const running = load(registryClient(allOf(first, second), { metrics }));
  await eventually(() => running.answered(first.id) > 200 && running.answered(second.id) > 200);
  await first.kill();
  const before = running.answered(second.id);
  await eventually(() => running.answered(second.id) > before + 500);
  expect(await running.stop()).toEqual([]);
  expect(await metrics.registry.metrics()).not.toContain('burgage_rpc_client_breaker_open{');
});

test('when a replica drains under load no call fails, even one that must not be repeated', async () => {
  const { first, second } = await twoProcesses();
  const running = load(unrepeatableClient(allOf(first, second)));
  await eventually(() => running.answered(first.id) > 200 && running.answered(second.id) > 200);
  await first.terminate();
  const before = running.answered(second.id);
  await eventually(() => running.answered(second.id) > before + 500);
  expect(await running.stop()).toEqual([]);
});

test('a replica that comes back on its address is called again', async () => {
  const { first, second } = await twoProcesses();
  const running = load(registryClient(allOf(first, second)));
  await eventually(() => running.answered(first.id) > 0);
  await first.kill();
  const successor = await startProcess(first.address());
  await eventually(() => running.answered(successor.id) > 100);
  expect(await running.stop()).toEqual([]);
});

test.each(['kill', 'terminate'] as const)('after the %s of its replica a stream is opened on the other at the first try', async (end) => {
  const { first, second } = await twoProcesses();
  const client = registryClient(allOf(first, second));
  const open = async () => {
    const stream = client.watchRoutes((async function* () {})());
    const { value } = await stream.next();
    return { stream, id: value?.message.case === 'head' ? value.message.value.epoch : undefined };
  };
  const before = await open();
  const [hit, other] = before.id === first.id ? [first, second] : [second, first];
  expect(before.id).toBe(hit.id);
  const broken = before.stream.next().catch((error: unknown) => error);
  const ended = hit[end]();
  expect(await broken).toMatchObject({ code: end === 'kill' ? 'unavailable' : 'draining' });
  for (let count = 0; count < 5; count++) expect((await open()).id).toBe(other.id);
  await ended;
});

test('replicas that are dead or silent from the start do not delay calls to one that lives', async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
  later(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  await eventually(() => silent.listening);
  const dead = createServer().listen(0, '127.0.0.1');
  await eventually(() => dead.listening);
  const addressOf = (server: typeof silent) => ({ address: () => `127.0.0.1:${(server.address() as { port: number }).port}` });
  const deadAddress = addressOf(dead).address();
  dead.close();
  const living = await startServer({ address: '127.0.0.1:0', registry: { getTenant: async () => ({}) } });
  const client = unrepeatableClient(allOf({ address: () => deadAddress }, addressOf(silent), living), { timeoutMs: 3_000 });
  for (let count = 0; count < 20; count++) await client.getTenant({});
});

test('a name is looked up, and finds whoever lives at its addresses', async () => {
  const server = await startServer({ address: '127.0.0.1:0', registry: { getTenant: async () => ({}) } });
  const port = server.address().split(':')[1];
  for (const address of [`localhost:${port}`, `dns:///localhost:${port}`]) await registryClient({ address: () => address }).getTenant({});
});

test('where all replicas are dead the breaker opens', async () => {
  const { first, second } = await twoProcesses();
  const client = unrepeatableClient(allOf(first, second));
  await client.getTenant({});
  await Promise.all([first.kill(), second.kill()]);
  const messages: string[] = [];
  await eventually(async () => {
    messages.push(await client.getTenant({}).then(String, (error: Error) => error.message));
    return messages.at(-1)?.includes('no call is sent') === true;
  });
  expect(messages.filter((message) => message.includes('cannot be reached')).length).toBeGreaterThanOrEqual(5);
});

test('a connection that is cut without a word is noticed within ten seconds, and calls go elsewhere', { timeout: 30_000 }, async () => {
  const handlerEnded = Promise.withResolvers<void>();
  const [behind, other] = await Promise.all(
    [1, 2].map((count) =>
      startServer({
        address: '127.0.0.1:0',
        registry: {
          getTenant: async () => ({ tenant: { id: String(count) } }),
          watchRoutes: async function* (_, { signal }) {
            yield {};
            signal.addEventListener('abort', () => handlerEnded.resolve());
            await handlerEnded.promise;
          },
        },
      }),
    ),
  );
  if (behind === undefined || other === undefined) throw new Error('no servers');
  const cut = await startCut(behind.address());
  const lonely = registryClient(cut);
  const stream = lonely.watchRoutes((async function* () {})());
  await stream.next();
  const both = registryClient(allOf(cut, other));
  await eventually(async () => (await both.getTenant({})).tenant?.id === '1');
  cut.cut();
  const cutAtMs = performance.now();
  await expect(stream.next()).rejects.toMatchObject({ code: 'unavailable' });
  // Four seconds until the ping, five until it is missed.
  expect(performance.now() - cutAtMs).toBeLessThan(11_000);
  // The server misses its client just so.
  await handlerEnded.promise;
  await eventually(async () => (await both.getTenant({}, { timeoutMs: 500 }).catch(() => undefined))?.tenant?.id === '2');
  for (let count = 0; count < 10; count++) expect((await both.getTenant({})).tenant?.id).toBe('2');
});

/** A way to `target` that can be cut: what is sent then gets lost, and nobody is told. */
async function startCut(target: string) {
  const port = Number(target.split(':').at(-1));
  let open = true;
  const sockets: Socket[] = [];
  const relay = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    sockets.push(near, far);
    near.on('data', (bytes) => open && far.write(bytes));
    far.on('data', (bytes) => open && near.write(bytes));
    for (const socket of [near, far]) socket.on('error', () => {});
    near.on('close', () => open && far.destroy());
    far.on('close', () => open && near.destroy());
  }).listen(0, '127.0.0.1');
  await eventually(() => relay.listening);
  later(() => {
    for (const socket of sockets) socket.destroy();
    relay.close();
  });
  return { address: () => `127.0.0.1:${(relay.address() as { port: number }).port}`, cut: () => (open = false) };
}
