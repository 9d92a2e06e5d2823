// Connections of trusted proxies begin with whom they are for; those of anybody else may not.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { BlockList, connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { queryObjects } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { acme, makeCertificates } from '../../testing/certificates.ts';
import {
  eventually,
  metricValue,
  onTestEnd,
  RawClient,
  sendRaw,
  startApp,
  startGateway,
  startTcp,
  temporaryFolder,
} from '../../testing/fixture.ts';

function trusting(address: string): BlockList {
  const list = new BlockList();
  list.addAddress(address, 'ipv4');
  return list;
}

const get = `GET / HTTP/1.1\r\nHost: ${acme}\r\nConnection: close\r\n\r\n`;
const header = 'PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\r\n';

async function startBehind(proxy = '127.0.0.1', options: Parameters<typeof startGateway>[1] = {}) {
  const app = await startApp((request, response) => response.end(request.headers['x-forwarded-for']));
  return await startGateway([{ host: acme, backends: [app.address] }], { proxyProtocolFrom: trusting(proxy), ...options });
}

describe('a connection of a trusted proxy', () => {
  it('is that of the client which it names, in what the app hears and in the log', async () => {
    const accessLog = join(await temporaryFolder(), 'access.log');
    const { port, gateway } = await startBehind('127.0.0.1', { accessLog });
    expect(await sendRaw(port, header + get)).toMatch(/^HTTP\/1\.1 200 [\s\S]*192\.0\.2\.7/);
    await gateway.stop();
    expect(JSON.parse(await readFile(accessLog, 'utf8'))).toMatchObject({ client: '192.0.2.7', scheme: 'http' });
  });

  it('serves all requests that follow, however the header is cut', async () => {
    const { port } = await startBehind();
    const text = header + get.replace('Connection: close\r\n', '') + get;
    for (const at of [1, 10, header.length - 1, header.length, header.length + 1, header.length + 30]) {
      const client = await RawClient.connect(port);
      client.send(text.slice(0, at));
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect((await client.send(text.slice(at)).all()).match(/192\.0\.2\.7/g)).toHaveLength(2);
    }
  });

  it('keeps nothing of what came with the header', async () => {
    const { port } = await startBehind();
    const body = 'x'.repeat(60_000);
    const collected = (): number => {
      queryObjects(RawClient, { format: 'count' });
      return process.memoryUsage().arrayBuffers;
    };
    const clients: RawClient[] = [];
    const ask = async () => {
      const client = await RawClient.connect(port);
      clients.push(client);
      client.send(`${header}POST / HTTP/1.1\r\nHost: ${acme}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      await client.untilText('192.0.2.7');
    };
    for (let count = 0; count < 10; count++) await ask();
    const before = collected();
    for (let count = 0; count < 50; count++) await ask();
    expect(collected() - before).toBeLessThan((50 * body.length) / 4);
    expect(clients.filter(({ closed }) => closed)).toEqual([]);
  });

  it('is its own where the proxy asks for itself', async () => {
    const { port } = await startBehind();
    expect(await sendRaw(port, `PROXY UNKNOWN\r\n${get}`)).toMatch(/^HTTP\/1\.1 200 [\s\S]*127\.0\.0\.1/);
  });

  it('is that of the client over TLS also where many greet at once, for names whose certificates are still to be read', async () => {
    const certificates = await makeCertificates();
    const hosts = ['one', 'two', 'three', 'four'].map((name) => `${name}.burgage.internal`);
    for (const host of hosts) await certificates.put(host);
    const app = await startApp((request, response) => response.end(`for ${request.headers['x-forwarded-for']}`));
    const { httpsPort } = await startGateway(
      hosts.map((host) => ({ host, backends: [app.address] })),
      { proxyProtocolFrom: trusting('127.0.0.1'), httpsPort: 0, certificates: certificates.folder },
    );
    const sessions = new Map<string, Buffer>();
    const ask = async (index: number): Promise<{ readonly client: string; readonly answer: string; readonly isResumed: boolean }> => {
      const client = `192.0.2.${index}`;
      const servername = hosts[index % hosts.length] as string;
      const under = connect(httpsPort, '127.0.0.1');
      onTestEnd(async () => under.destroy());
      under.write(`PROXY TCP4 ${client} 198.51.100.1 12345 443\r\n`);
      const session = index % 3 === 0 ? undefined : sessions.get(servername);
      const socket = connectTls({ socket: under, servername, ca: certificates.ca, ...(session && { session }) });
      onTestEnd(async () => socket.destroy());
      socket.on('session', (fresh) => sessions.set(servername, fresh));
      let [answer, isResumed] = ['', false];
      socket.on('secureConnect', () => {
        isResumed = socket.isSessionReused();
      });
      socket.on('data', (bytes) => {
        answer += String(bytes);
      });
      socket.write(get.replace(acme, servername));
      await once(socket, 'close');
      return { client, answer, isResumed };
    };
    const manyFrom = async (first: number) => await Promise.all(Array.from({ length: 100 }, (_, index) => ask(first + index)));
    const answered = [...(await manyFrom(0)), ...(await manyFrom(100))];
    for (const { client, answer } of answered) expect(answer.split('\r\n\r\n')[1]).toBe(`for ${client}`);
    expect(answered.filter(({ isResumed }) => isResumed).length).toBeGreaterThan(20);
  }, 30_000);

  it('is that of the client over TLS too, whose handshake may come with the header', async () => {
    const certificates = await makeCertificates();
    await certificates.put(acme);
    const { httpsPort } = await startBehind('127.0.0.1', { httpsPort: 0, certificates: certificates.folder });
    for (const isTogether of [true, false]) {
      const proxy = await startTcp((client) => {
        const gateway = connect(httpsPort, '127.0.0.1');
        onTestEnd(async () => gateway.destroy());
        gateway.pipe(client);
        gateway.on('error', () => client.destroy());
        if (!isTogether) gateway.write(header);
        client.once('data', (hello: Buffer) => {
          gateway.write(isTogether ? Buffer.concat([Buffer.from(header), hello]) : hello);
          client.pipe(gateway);
        });
      });
      const options = { port: Number(proxy.address.split(':')[1]), host: '127.0.0.1', servername: acme, ca: certificates.ca };
      const socket = connectTls(options);
      onTestEnd(async () => socket.destroy());
      await once(socket, 'secureConnect');
      socket.write(get);
      let received = '';
      for await (const piece of socket) received += piece;
      expect(received).toMatch(/^HTTP\/1\.1 200 [\s\S]*192\.0\.2\.7/);
    }
  });

  it('without a header, with a bad one or with none in time is closed without an answer, and counted', async () => {
    const { port, metrics } = await startBehind('127.0.0.1', { timeouts: { headMs: 100 } });
    expect(await sendRaw(port, get)).toBe('');
    expect(await sendRaw(port, header.replace('TCP4', 'TCP5') + get)).toBe('');
    const slow = await RawClient.connect(port);
    expect(await slow.send(header.slice(0, 20)).all()).toBe('');
    const gone = await RawClient.connect(port);
    gone.send(header.slice(0, 20)).socket.end();
    const count = (reason: string) => metricValue(metrics, 'burgage_gateway_proxy_header_failures_total', { reason });
    await eventually(async () => (await count('client_gone')) === 1);
    expect([await count('malformed'), await count('timeout')]).toEqual([2, 1]);
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 0);
  });
});

describe('a connection of anybody else', () => {
  it('needs no header, and one is a bad request', async () => {
    const { port } = await startBehind('192.0.2.1');
    expect(await sendRaw(port, get)).toMatch(/^HTTP\/1\.1 200 [\s\S]*127\.0\.0\.1/);
    expect(await sendRaw(port, header + get)).toMatch(/^HTTP\/1\.1 400 /);
  });
});
