// Drain: what is in flight ends well, nothing new begins, and nothing holds the gateway for ever.
import { describe, expect, it } from 'vitest';
import { describeEngines, eventually, metricValue, RawClient, startApp, startGateway, startTcp } from '../../testing/fixture.ts';

/** Workers stop to listen one by one. */
async function untilRefused(port: number): Promise<void> {
  await eventually(async () => {
    try {
      await RawClient.connect(port);
      return false;
    } catch (error) {
      expect(error).toMatchObject({ code: 'ECONNREFUSED' });
      return true;
    }
  });
}

describeEngines((engine, workers) => {
  describe('a gateway that drains', () => {
    it('finishes what is in flight, says goodbye on each connection, and takes no new one', async () => {
      const waiting: (() => void)[] = [];
      const app = await startApp((_, response) => void waiting.push(() => response.end('app')));
      const { gateway, port, readiness, metrics } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const busy = await RawClient.connect(port);
      const idle = await RawClient.connect(port);
      idle.send('GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n');
      await idle.untilText('host_unknown');
      busy.send('GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
      await eventually(() => waiting.length === 1);
      const drained = gateway.drain();
      expect(readiness.report().checks.traffic).toEqual({ ready: false, reason: 'draining' });
      await idle.all();
      if (workers === undefined) await expect(RawClient.connect(port)).rejects.toThrow('ECONNREFUSED');
      else await untilRefused(port);
      waiting[0]?.();
      expect(await busy.all()).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close[\s\S]*app/i);
      await drained;
      // Workers tell what they have counted a moment later.
      const completed = () => metricValue(metrics, 'burgage_gateway_terminations_total', { reason: 'completed' });
      await expect.poll(completed, { timeout: 10_000 }).toBe(1);
    });

    // The oracle's own server closes idle connections at once.
    if (engine === 'http1')
      it('answers what was sent before anybody was told, on old connections and on new ones', async () => {
        const app = await startApp((_, response) => response.end('app'));
        const { gateway, port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
        const get = 'GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n';
        const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.connect(port)));
        for (const client of clients) client.send(get);
        await Promise.all(clients.map((client) => client.untilText('app')));
        for (const client of clients) client.received = '';
        const late = Array.from({ length: 20 }, () => RawClient.connect(port).then((client) => client.send(get).all()));
        for (const client of clients) client.send(get);
        const drained = gateway.drain();
        const answers = await Promise.all([...clients.map((client) => client.all()), ...late]);
        for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close[\s\S]*app/i);
        await drained;
      });

    it('cuts what has not ended in time, tunnels too', async () => {
      const app = await startTcp((socket) =>
        socket.once('data', (head) => {
          if (head.toString().includes('upgrade: echo'))
            socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
          else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
        }),
      );
      const { gateway, port, metrics } = await startGateway([{ host: 'acme.test', backends: [app.address] }], {
        timeouts: { drainMs: 50 },
      });
      const stream = await RawClient.connect(port);
      stream.send('GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
      const tunnel = await RawClient.connect(port);
      tunnel.send('GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      await stream.untilText('half');
      await tunnel.untilText('101');
      await gateway.drain();
      await stream.all();
      await tunnel.all();
      await eventually(async () => (await metricValue(metrics, 'burgage_gateway_terminations_total', { reason: 'cut' })) === 2);
      expect(await metricValue(metrics, 'burgage_gateway_requests_in_flight')).toBe(0);
      expect(await metricValue(metrics, 'burgage_gateway_tunnels')).toBe(0);
    });

    it('refuses new tunnels on connections that are still open', async () => {
      const waiting: (() => void)[] = [];
      const app = await startApp((_, response) => void waiting.push(() => response.end('app')));
      const { gateway, port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      // A drain is over where nothing is in flight: each worker has something.
      const busy = workers === undefined ? 1 : 16;
      for (let client = 0; client < busy; client++) {
        (await RawClient.connect(port)).send('GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
      }
      await eventually(() => waiting.length === busy);
      const other = await RawClient.connect(port);
      other.send('GET / HTTP/1.1\r\nHost: acme.test\r\n');
      await new Promise((resolve) => setTimeout(resolve, 20));
      const drained = gateway.drain();
      // Workers have to be told: they have been where they listen no more.
      if (workers !== undefined) await untilRefused(port);
      other.send('Connection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      const answer = await other.all();
      expect(answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*draining/);
      for (const answer of waiting) answer();
      await drained;
    });
  });
}, 2);
