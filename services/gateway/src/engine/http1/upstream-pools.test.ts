import { systemClock, Tally } from '@burgage/runtime';
import { expect, it } from 'vitest';
import { defaultLimits, defaultTimeouts, type Limits } from '../../defaults.ts';
import { eventually, startTcp } from '../../testing/fixture.ts';
import { Backlog } from './backlog.ts';
import { LoopTurns } from './loop-turns.ts';
import type { UpstreamConnection } from './upstream-connection.ts';
import { type Taker, UpstreamPools } from './upstream-pools.ts';

function poolsOf(limits: Partial<Limits> = {}): UpstreamPools {
  const onFault = (error: unknown): void => {
    throw error;
  };
  return new UpstreamPools({
    timeouts: defaultTimeouts,
    limits: { ...defaultLimits, ...limits },
    nowMs: () => 0,
    turns: new LoopTurns(systemClock),
    backlog: new Backlog(new Tally()),
    onFault,
  });
}

type Outcome = UpstreamConnection | 'unreachable' | 'queue full' | 'crowding' | 'fault';

function takerOf(say: (outcome: Outcome) => void): Taker {
  return {
    tenant: 1,
    connected: say,
    unreachable: () => say('unreachable'),
    queueFull: () => say('queue full'),
    crowding: () => say('crowding'),
    fault: () => say('fault'),
  };
}

/** Resolves with what a request for a connection to `address` comes to. */
const take = (pools: UpstreamPools, address: string) => new Promise<Outcome>((resolve) => pools.take(address, takerOf(resolve)));

it('an address that one upstream gives up still connects the request of another upstream with the same address', async () => {
  const { address } = await startTcp(() => {});
  const pools = poolsOf();
  const taken = take(pools, address);
  pools.forget(address);
  expect(await taken).toMatchObject({ closed: false });
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
  const taker = takerOf(() => {});
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
  // Whoever has an endpoint for itself may have all connections.
  const take = () => new Promise<Outcome>((resolve) => pools.take(address, { ...takerOf(resolve), tenant: undefined }));
  const first = take();
  expect(await take()).toBe('unreachable');
  expect(pools.isBusy(address)).toBe(false);
  expect(await first).toMatchObject({ closed: false });
  expect(pools.isBusy(address)).toBe(true);
  void take();
  expect(await take()).toBe('queue full');
  pools.close();
});
