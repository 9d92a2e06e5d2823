// Tenants beside each other: what one of them does too much of is refused to it, and to nobody else.
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { clientsOf, type HostClient, protocols } from '../../testing/clients.ts';
import {
  describeWorkers,
  eventually,
  metricValue,
  pour,
  type StartedGateway,
  settled,
  startApp,
  startGateway,
} from '../../testing/fixture.ts';

const noisy = 'noisy.burgage.internal';
const quiet = 'quiet.burgage.internal';
/** Enough that each worker has some of every tenant's. */
const connections = 12;

const count = (statuses: readonly number[], status: number) => statuses.filter((one) => one === status).length;
const refusals = ({ metrics }: StartedGateway, code: string) => metricValue(metrics, 'burgage_gateway_refusals_total', { code });

describeWorkers(2, () => {
  describe.each(protocols)('a tenant beside another, over %s', (protocol) => {
    /** Both with the same limits, on one app that holds what it is asked at `/hold`. */
    async function startBoth(limits: Record<string, number>) {
      const held: ServerResponse[] = [];
      const poured: { written: number }[] = [];
      const app = await startApp((request, response) => {
        if (request.url === '/hold') held.push(response);
        else if (request.url === '/large') poured.push(pour(response, 50_000_000));
        else response.writeHead(200, { 'content-length': 3 }).end('app');
      });
      const clients = await clientsOf(protocol, [noisy, quiet]);
      const lines = [noisy, quiet].map((host) => ({ host, tenant: `ten_${host}`, backends: [app.address], limits }));
      const gateway = await startGateway(lines, clients.options);
      const open = (host: string) => Promise.all(Array.from({ length: connections }, () => clients.open(gateway, host)));
      const release = () => {
        for (const response of held.splice(0)) response.writeHead(200, { 'content-length': 4 }).end('held');
      };
      return { gateway, held, poured, release, noisyOnes: await open(noisy), quietOnes: await open(quiet) };
    }

    const askAll = (clients: readonly HostClient[], path?: string) => Promise.all(clients.map((client) => client.ask(path)));

    it('that has too many requests in flight is refused more, and the other is not', async () => {
      const { gateway, held, release, noisyOnes, quietOnes } = await startBoth({ concurrency: 5 });
      const asked = askAll(noisyOnes, '/hold');
      await eventually(async () => held.length === 5 && (await refusals(gateway, 'concurrency_limited')) === connections - 5);
      for (const client of quietOnes) expect(await client.ask()).toBe(200);
      // As many as are its own, while all of the noisy one's are taken.
      const others = askAll(quietOnes.slice(0, 5), '/hold');
      await eventually(() => held.length === 10);
      release();
      expect(await others).toEqual([200, 200, 200, 200, 200]);
      const statuses = await asked;
      expect([count(statuses, 200), count(statuses, 429)]).toEqual([5, connections - 5]);
    });

    it('that asks more often than its plan allows is refused more, and the other has all of its own', async () => {
      const perSecond = 5;
      const { gateway, noisyOnes, quietOnes } = await startBoth({ requestsPerSecond: perSecond });
      const noise = new Set<number>();
      let isNoisy = true;
      const asked = noisyOnes.map(async (client) => {
        while (isNoisy) noise.add(await client.ask());
      });
      await eventually(async () => (await refusals(gateway, 'rate_limited')) > connections);
      // All that it may have at once, over both workers where there are two.
      expect(await askAll(quietOnes.slice(0, perSecond))).toEqual(Array(perSecond).fill(200));
      isNoisy = false;
      await Promise.all(asked);
      expect(noise).toEqual(new Set([200, 429]));
    });

    it('that reads nothing of its answers holds up no answer of the other', async () => {
      const { poured, noisyOnes, quietOnes } = await startBoth({ concurrency: 0 });
      for (const client of noisyOnes) client.leaveUnread('/large');
      await settled(() => poured.reduce((sum, { written }) => sum + written, 0));
      expect(poured).toHaveLength(connections);
      for (const client of quietOnes) expect(await client.ask()).toBe(200);
    });
  });
});
