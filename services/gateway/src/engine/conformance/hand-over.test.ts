// Handing over: new connections are another's, and those that are open lose nothing.
import { describe, expect, it } from 'vitest';
import { eventually, metricValue, RawClient, startApp, startGateway, startTcp } from '../../testing/fixture.ts';

describe('a gateway that hands over', () => {
  /** Short, so that what is due is looked for all the time. */
  const lingerMs = 20;
  const someLooks = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5 * lingerMs));

  it('leaves idle connections open until their next answer, which says goodbye', async () => {
    const app = await startApp((_, response) => response.end('app'));
    const { gateway, port, admin } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { timeouts: { lingerMs } });
    const [used, fresh] = [await RawClient.connect(port), await RawClient.connect(port)];
    used.send('GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
    await used.untilText('app');
    const handedOver = gateway.handOver();
    await expect(RawClient.connect(port)).rejects.toThrow('ECONNREFUSED');
    await expect(fetch(admin)).rejects.toThrow('fetch failed');
    await someLooks();
    for (const client of [used, fresh]) {
      client.received = '';
      client.send('GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
      expect(await client.all()).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close[\s\S]*app/i);
      client.socket.end();
    }
    await handedOver;
  });

  it('keeps tunnels, and takes new ones on open connections, until they end', async () => {
    const app = await startTcp((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
        socket.on('data', (bytes) => socket.write(bytes)).on('end', () => socket.end());
      });
    });
    const { gateway, port } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { timeouts: { lingerMs } });
    const [old, late] = [await RawClient.connect(port), await RawClient.connect(port)];
    const upgrade = 'GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';
    await old.send(upgrade).untilText('101');
    const handedOver = gateway.handOver();
    await someLooks();
    await late.send(upgrade).untilText('101');
    for (const tunnel of [old, late]) await tunnel.send('still here').untilText('still here');
    for (const tunnel of [old, late]) tunnel.socket.end();
    await handedOver;
  });

  it('holds on to nothing for longer than its drain time', async () => {
    const app = await startTcp((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'));
    });
    const { gateway, port, metrics } = await startGateway([{ host: 'acme.test', backends: [app.address] }], {
      timeouts: { drainMs: 100 },
    });
    const [idle, tunnel] = [await RawClient.connect(port), await RawClient.connect(port)];
    tunnel.send('GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    await tunnel.untilText('101');
    await gateway.handOver();
    expect([idle.closed, tunnel.closed]).toEqual([false, false]);
    await gateway.drain();
    await Promise.all([idle.all(), tunnel.all()]);
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_terminations_total', { reason: 'cut' })) === 1);
  });
});
