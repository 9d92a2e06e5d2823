import { expect, it } from 'vitest';
import { defaultLimits, defaultTimeouts } from '../../defaults.ts';
import { eventually, startTcp } from '../../testing/fixture.ts';
import { LoopTurns } from './loop-turns.ts';
import type { UpstreamConnection } from './upstream-connection.ts';
import { UpstreamPools } from './upstream-pools.ts';

function poolsOf(): UpstreamPools {
  const onFault = (error: unknown): void => {
    throw error;
  };
  return new UpstreamPools({ timeouts: defaultTimeouts, limits: defaultLimits, nowMs: () => 0, turns: new LoopTurns(), onFault });
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
