import { expect, it } from 'vitest';
import { defaultLimits, defaultTimeouts, type Limits } from '../../defaults.ts';
import { eventually, startTcp } from '../../testing/fixture.ts';
import { LoopTurns } from './loop-turns.ts';
import type { UpstreamConnection } from './upstream-connection.ts';
import { UpstreamPools } from './upstream-pools.ts';

function poolsOf(limits: Partial<Limits> = {}): UpstreamPools {
  const onFault = (error: unknown): void => {
    throw error;
  };
  return new UpstreamPools({
    timeouts: defaultTimeouts,
    limits: { ...defaultLimits, ...limits },
    nowMs: () => 0,
    turns: new LoopTurns(),
    onFault,
  });
}

/** Resolves with what a request for a connection to `address` comes to. */
function take(pools: UpstreamPools, address: string): Promise<UpstreamConnection> {
  return new Promise((resolve, reject) =>
    pools.take(address, { tenant: 1, connected: resolve, unreachable: reject, queueFull: reject, crowding: reject, fault: reject }),
  );
}

it('an address that one upstream gives up still connects the request of another upstream with the same address', async () => {
  const { address } = await startTcp(() => {});
  const pools = poolsOf();
  const taken = take(pools, address);
  pools.forget(address);
  expect((await taken).closed).toBe(false);
  pools.close();
});

it('an address that is given up keeps no idle connection', async () => {
  let closed = 0;
  const { address } = await startTcp((socket) =>
    socket
      .resume()
      .once('close', () => (closed += 1))
      .on('end', () => socket.end()),
  );
  const pools = poolsOf();
  // Opened for somebody who did not wait for it.
  const taker = { tenant: 1, connected: () => {}, unreachable: () => {}, queueFull: () => {}, crowding: () => {}, fault: () => {} };
  pools.take(address, taker);
  pools.withdraw(address, taker);
  await eventually(() => {
    pools.forget(address);
    return closed > 0;
  });
  expect(closed).toBe(1);
});

it('an address is busy where its connections are in use, and unreachable where none came about, however many wait', async () => {
  const { address } = await startTcp(() => {});
  const pools = poolsOf({ upstreamConnectionsMax: 1, upstreamWaitingMax: 1 });
  const outcome = () =>
    new Promise<string>((resolve) =>
      pools.take(address, {
        tenant: undefined,
        connected: () => resolve('connected'),
        unreachable: () => resolve('unreachable'),
        queueFull: () => resolve('queue full'),
        crowding: () => resolve('crowding'),
        fault: () => resolve('fault'),
      }),
    );
  const first = outcome();
  expect(await outcome()).toBe('unreachable');
  expect(pools.isBusy(address)).toBe(false);
  expect(await first).toBe('connected');
  expect(pools.isBusy(address)).toBe(true);
  const second = outcome();
  expect(await outcome()).toBe('queue full');
  pools.close();
  void second;
});
