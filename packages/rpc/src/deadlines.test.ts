import { isBurgageError } from '@burgage/contracts';
import { currentContext, runInContext, systemClock } from '@burgage/runtime';
import { describe, expect, test } from 'vitest';
import { freeAddress, kinds, provisionerClient, registryClient, startServer } from '../test/servers.ts';

/** Resolves with the code that the signal is aborted with. */
function abortedWith(signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(isBurgageError(signal.reason) ? signal.reason.code : 'unknown'), { once: true });
  });
}

/** A call from the test to the provisioner, and from there to the registry. */
async function twoHops(kind: 'unix' | 'tcp', getTenant: (remainingMs: number, signal: AbortSignal) => Promise<void>) {
  const registry = await startServer({
    address: freeAddress(kind),
    registry: {
      getTenant: async (_, { signal, deadlineAtMs }) => {
        expect(currentContext()).toMatchObject({ signal, deadlineAtMs });
        await getTenant((deadlineAtMs ?? Number.POSITIVE_INFINITY) - systemClock.monotonicMs(), signal);
        return {};
      },
    },
  });
  const inner = registryClient(registry, { timeoutMs: 60_000 });
  const provisioner = await startServer({
    address: freeAddress(kind),
    provisioner: {
      getOperation: async () => {
        await inner.getTenant({});
        return {};
      },
    },
  });
  return provisionerClient(provisioner, { timeoutMs: 60_000 });
}

describe.each(kinds)('over %s', (kind) => {
  test('a deadline travels over two hops, and what is left only shrinks', async () => {
    let remaining = 0;
    const client = await twoHops(kind, async (remainingMs) => {
      remaining = remainingMs;
    });
    await client.getOperation({}, { timeoutMs: 20_000 });
    expect(remaining).toBeGreaterThan(0);
    expect(remaining).toBeLessThanOrEqual(20_001);
  });

  test('a deadline that passes ends the call and stops the handler two hops away', async () => {
    const stopped = Promise.withResolvers<string>();
    const client = await twoHops(kind, async (_, signal) => stopped.resolve(await abortedWith(signal)));
    await expect(client.getOperation({}, { timeoutMs: 150 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
    // Its own timer, or the cancellation of the hop before: whichever is first.
    expect(['deadline_exceeded', 'cancelled']).toContain(await stopped.promise);
  });

  test('a cancelled call stops the handler two hops away', async () => {
    const arrived = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<string>();
    const client = await twoHops(kind, async (_, signal) => {
      arrived.resolve();
      stopped.resolve(await abortedWith(signal));
    });
    const abort = new AbortController();
    const call = client.getOperation({}, { signal: abort.signal });
    call.catch(() => {});
    await arrived.promise;
    abort.abort();
    await expect(call).rejects.toMatchObject({ code: 'cancelled' });
    expect(await stopped.promise).toBe('cancelled');
  });

  test('leaving the loop over a stream stops its handler', async () => {
    const stopped = Promise.withResolvers<string>();
    const closed = Promise.withResolvers<void>();
    const server = await startServer({
      address: freeAddress(kind),
      provisioner: {
        watchOperation: async function* (_, { signal }) {
          try {
            const aborted = abortedWith(signal);
            yield { progress: { sequence: 1n } };
            stopped.resolve(await aborted);
          } finally {
            closed.resolve();
          }
        },
      },
    });
    for await (const _ of provisionerClient(server).watchOperation({})) break;
    expect(await stopped.promise).toBe('cancelled');
    await closed.promise;
  });
});

test('a call whose deadline has passed, or whose signal is aborted, is not sent', async () => {
  let calls = 0;
  const server = await startServer({
    registry: {
      getTenant: async () => {
        calls++;
        return {};
      },
    },
  });
  const client = registryClient(server);
  await expect(runInContext({ deadlineAtMs: systemClock.monotonicMs() - 1 }, () => client.getTenant({}))).rejects.toMatchObject({
    code: 'deadline_exceeded',
  });
  await expect(client.getTenant({}, { timeoutMs: 0 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
  await expect(client.getTenant({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
  await expect(
    runInContext({ signal: AbortSignal.abort() }, () => Array.fromAsync(client.watchRoutes((async function* () {})()))),
  ).rejects.toMatchObject({ code: 'cancelled' });
  expect(calls).toBe(0);
  await client.getTenant({}, { timeoutMs: 2 ** 45 });
  expect(calls).toBe(1);
});

test('the time-out of the client is the deadline where nobody says otherwise; a stream has none', async () => {
  const deadlines: (number | undefined)[] = [];
  const server = await startServer({
    registry: {
      getTenant: async (_, { deadlineAtMs }) => {
        deadlines.push(deadlineAtMs);
        return {};
      },
      watchRoutes: async function* (_, { deadlineAtMs }) {
        deadlines.push(deadlineAtMs);
        yield {};
      },
    },
  });
  const client = registryClient(server, { timeoutMs: 30_000 });
  await client.getTenant({});
  await Array.fromAsync(client.watchRoutes((async function* () {})()));
  expect(deadlines).toEqual([expect.any(Number), undefined]);
});

test('a stream takes over the context of where it was asked for, not of where it is read', async () => {
  const server = await startServer({
    provisioner: {
      watchOperation: async function* () {
        yield { progress: { detail: currentContext().tenantId ?? 'none' } };
      },
    },
  });
  const client = provisionerClient(server);
  const stream = runInContext({ tenantId: 'ten_asked' }, () => client.watchOperation({}));
  const [first] = await runInContext({ tenantId: 'ten_read' }, () => Array.fromAsync(stream));
  expect(first?.progress?.detail).toBe('ten_asked');
});
