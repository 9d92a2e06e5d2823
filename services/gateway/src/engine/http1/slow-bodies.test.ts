// Clients that send a body a little at a time hold no connection to an endpoint for long; what is slow for a good reason goes on.
import { once } from 'node:events';
import { connect } from 'node:http2';
import { type Clock, systemClock } from '@burgage/runtime';
import { describe, expect, it } from 'vitest';
import { acme, makeCertificates } from '../../testing/certificates.ts';
import { eventually, metricValue, onTestEnd, RawClient, startApp, startGateway, startTcp } from '../../testing/fixture.ts';

const limits = { bodyBytesPerSecondMin: 100 };
/** A quarter of the shortest is how often the engine looks at the time, which passes as the test says. */
const timeouts = { lingerMs: 40, bodyIdleMs: 30_000, streamIdleMs: 300_000 };
const someLooksMs = 30;
const longerThanGrace = 70;

/** Time that passes by seconds, each of which the engine sees. */
function seconds(): { readonly clock: Clock; pass(): Promise<void> } {
  let nowMs = 1_000_000;
  return {
    clock: { ...systemClock, monotonicMs: () => nowMs },
    pass: async () => {
      nowMs += 1_000;
      await new Promise((resolve) => setTimeout(resolve, someLooksMs));
    },
  };
}

const post = (length: number) => `POST / HTTP/1.1\r\nHost: acme.test\r\nContent-Length: ${length}\r\n\r\n`;

/** An app that reads bodies and says how much it has. */
async function startReader(): Promise<{ address: string; read: number; gone: number }> {
  const reader = { address: '', read: 0, gone: 0 };
  const { address } = await startApp((request, response) => {
    request.on('data', ({ length }: Buffer) => {
      reader.read += length;
    });
    request.on('end', () => response.end('ok'));
    request.on('error', () => {});
    response.on('close', () => {
      if (!response.writableFinished) reader.gone += 1;
    });
  });
  reader.address = address;
  return reader;
}

describe('a request body that comes too slowly', () => {
  it.each([
    ['with a length', post(1_000_000), 'x'],
    ['in chunks', 'POST / HTTP/1.1\r\nHost: acme.test\r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\nx\r\n'],
  ])('is answered with 408 once its time is used up, and its connection to the app is given back: %s', async (_, head, piece) => {
    const reader = await startReader();
    const { clock, pass } = seconds();
    const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [reader.address] }], { clock, limits, timeouts });
    const client = (await RawClient.connect(port)).send(head);
    let passed = 0;
    while (client.received === '') {
      client.send(piece);
      await eventually(() => reader.read === passed + 1 || client.received !== '');
      await pass();
      passed += 1;
    }
    expect(client.received).toMatch(/^HTTP\/1\.1 408 [\s\S]*connection: close/i);
    expect(passed).toBeGreaterThanOrEqual(30);
    expect(passed).toBeLessThan(33);
    await eventually(() => reader.gone === 1);
    expect(await metricValue(metrics, 'burgage_gateway_refusals_total', { code: 'request_timeout' })).toBe(1);
  });

  it('is answered so in HTTP/2 too, and other streams of its connection go on', async () => {
    const reader = await startReader();
    const { clock, pass } = seconds();
    const certificates = await makeCertificates();
    await certificates.put(acme);
    const { httpsPort } = await startGateway([{ host: acme, backends: [reader.address] }], {
      ...{ httpsPort: 0, certificates: certificates.folder, clock, limits, timeouts },
    });
    const session = connect(`https://${acme}`, { ca: certificates.ca, host: '127.0.0.1', port: httpsPort, servername: acme });
    onTestEnd(async () => session.destroy());
    const stream = session.request({ ':method': 'POST' }, { endStream: false });
    stream.on('error', () => {});
    let status = 0;
    stream.on('response', (headers) => {
      status = Number(headers[':status']);
    });
    for (let sent = 1; status === 0; sent++) {
      if (!stream.closed) stream.write('x');
      await eventually(() => reader.read === sent || status !== 0);
      await pass();
    }
    expect(status).toBe(408);
    const [headers] = await once(session.request({ ':path': '/' }), 'response');
    expect(headers[':status']).toBe(200);
  });
});

/** One a second, each of which comes back. */
async function sendDots(client: RawClient, pass: () => Promise<void>): Promise<void> {
  const before = client.received.split('.').length;
  for (let sent = 1; sent <= longerThanGrace; sent++) {
    client.send('.');
    await client.until(({ received }) => received.split('.').length === before + sent);
    await pass();
  }
}

describe('not cut is', () => {
  it('a body that keeps to the least rate, however long it takes', async () => {
    const reader = await startReader();
    const { clock, pass } = seconds();
    const { port } = await startGateway([{ host: 'acme.test', backends: [reader.address] }], { clock, limits, timeouts });
    const pieces = longerThanGrace / 2;
    const client = (await RawClient.connect(port)).send(post(pieces * 200));
    for (let sent = 1; sent <= pieces; sent++) {
      // Nothing in one second, and for two in the next.
      client.send('x'.repeat(200));
      await eventually(() => reader.read === sent * 200);
      await pass();
      await pass();
    }
    await client.untilText('ok');
    expect(client.received).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('a body that the app takes slowly', async () => {
    const read: { resume(): void; pause(): void }[] = [];
    let isWhole = false;
    const { address } = await startTcp((socket) => {
      socket.once('data', () => {
        socket.pause();
        read.push(socket);
        socket.on('data', () => {}).on('end', () => {});
      });
      socket.once('end', () => {
        isWhole = true;
      });
    });
    const { clock, pass } = seconds();
    const { port } = await startGateway([{ host: 'acme.test', backends: [address] }], { clock, limits, timeouts });
    const client = (await RawClient.connect(port)).send(post(50_000_000)).send('x'.repeat(20_000_000));
    await eventually(() => read.length === 1);
    for (let second = 0; second < longerThanGrace; second++) await pass();
    expect([client.received, client.ended, isWhole]).toEqual(['', false, false]);
  });

  it('an answer that comes slowly, as of server-sent events, nor one to a body that goes on', async () => {
    const { address } = await startTcp((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
        socket.on('data', (bytes) => socket.write(bytes));
      });
    });
    const { clock, pass } = seconds();
    const { port } = await startGateway([{ host: 'acme.test', backends: [address] }], { clock, limits, timeouts });
    const client = (await RawClient.connect(port)).send(post(1_000));
    await client.untilText('\r\n\r\n');
    await sendDots(client, pass);
  });

  it('a tunnel that carries little', async () => {
    const { address } = await startTcp((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: dots\r\n\r\n');
        socket.on('data', (bytes) => socket.write(bytes));
      });
    });
    const { clock, pass } = seconds();
    const { port } = await startGateway([{ host: 'acme.test', backends: [address] }], { clock, limits, timeouts });
    const client = await RawClient.connect(port);
    client.send('GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: Upgrade\r\nUpgrade: dots\r\n\r\n');
    await client.untilText('\r\n\r\n');
    await sendDots(client, pass);
  });
});
