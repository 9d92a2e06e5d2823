// The same requests over TLS: certificates by name, sessions, and everything that holds for connections in the clear.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls, TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { queryObjects } from 'node:v8';
import { createLogger, ManualClock, type Metrics, systemClock } from '@burgage/runtime';
import { describe, expect, it } from 'vitest';
import { type WebSocket, WebSocket as WebSocketClient, WebSocketServer } from 'ws';
import { acme, type Certificates, makeCertificates, other } from '../../testing/certificates.ts';
import {
  describeWorkers,
  eventually,
  metricValue,
  onTestEnd,
  pour,
  RawClient,
  type StartedGateway,
  settled,
  startApp,
  startGateway,
  startTcp,
  temporaryFolder,
} from '../../testing/fixture.ts';

const get = `GET / HTTP/1.1\r\nHost: ${acme}\r\nConnection: close\r\n\r\n`;

async function startSecure(
  certificates: Certificates,
  backend: string,
  options: Parameters<typeof startGateway>[1] = {},
): Promise<StartedGateway> {
  const lines = [acme, other].map((host) => ({ host, backends: [backend] }));
  return await startGateway(lines, { httpsPort: 0, certificates: certificates.folder, ...options });
}

async function withAcme(): Promise<Certificates> {
  const certificates = await makeCertificates();
  await certificates.put(acme);
  return certificates;
}

/** A handshake that succeeds, or the code of its failure. */
async function handshake(port: number, options: ConnectionOptions): Promise<TLSSocket | string> {
  const socket = connectTls({ port, host: '127.0.0.1', ...options });
  onTestEnd(async () => socket.destroy());
  return await new Promise((resolve) => {
    socket.once('secureConnect', () => resolve(socket));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

async function subjectFor(port: number, options: ConnectionOptions): Promise<unknown> {
  const socket = await handshake(port, options);
  return typeof socket === 'string' ? socket : socket.getPeerCertificate().subject.CN;
}

const failures = (metrics: Metrics, reason: string) => metricValue(metrics, 'burgage_gateway_tls_handshake_failures_total', { reason });
const refused = 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE';

describeWorkers(2, () => {
  it("hands a tunnel's last words on that came together with the end of TLS", async () => {
    const certificates = await withAcme();
    let heard = '';
    let ended = false;
    const app = await startTcp((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
        socket.setEncoding('latin1').on('data', (text) => {
          heard += text;
        });
      });
      socket.on('end', () => {
        ended = true;
        socket.end();
      });
    });
    const { httpsPort } = await startSecure(certificates, app.address);
    const client = await RawClient.secure(httpsPort, { servername: acme, ca: certificates.ca });
    client.send(`GET / HTTP/1.1\r\nHost: ${acme}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`);
    await client.untilText('\r\n\r\n');
    client.socket.cork();
    client.send('last words');
    client.socket.end();
    client.socket.uncork();
    await eventually(() => ended);
    expect(heard).toBe('last words');
  });

  describe('a request over TLS', () => {
    it.each(['TLSv1.2', 'TLSv1.3'] as const)('in %s is served as any other, and everybody hears that it was secure', async (version) => {
      const certificates = await withAcme();
      const app = await startApp((request, response) => response.end(JSON.stringify(request.headers)));
      const accessLog = join(await temporaryFolder(), 'access.log');
      const { httpsPort, gateway } = await startSecure(certificates, app.address, { accessLog });
      const client = await RawClient.secure(httpsPort, { servername: acme, ca: certificates.ca, minVersion: version, maxVersion: version });
      const answer = await client.send(get).all();
      const head = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));
      expect(head).toMatchObject({ host: acme, 'x-forwarded-proto': 'https', 'x-forwarded-for': '127.0.0.1' });
      expect(head.forwarded).toBe(`for=127.0.0.1;host="${acme}";proto=https`);
      await gateway.stop();
      expect(JSON.parse(await readFile(accessLog, 'utf8'))).toMatchObject({ client: '127.0.0.1', scheme: 'https', status: 200 });
    });

    it('for another host than the one that TLS was begun with is misdirected, and the connection goes on', async () => {
      const certificates = await withAcme();
      const app = await startApp((_, response) => response.end('app'));
      const { httpsPort } = await startSecure(certificates, app.address);
      const client = await RawClient.secure(httpsPort, { servername: acme, ca: certificates.ca });
      await client.send(`GET / HTTP/1.1\r\nHost: ${other}\r\n\r\n`).untilText('misdirected');
      expect(client.received).toMatch(/^HTTP\/1\.1 421 /);
      client.received = '';
      expect(await client.send(get.replace(acme, `${acme.toUpperCase()}:443`)).all()).toMatch(/^HTTP\/1\.1 200 [\s\S]*app/);
    });

    it('resumed in TLS 1.2, where nobody hears a name, is for the host that was asked for first', async () => {
      const certificates = await withAcme();
      const app = await startApp((_, response) => response.end('app'));
      const { httpsPort } = await startSecure(certificates, app.address);
      const options: ConnectionOptions = { servername: acme, ca: certificates.ca, maxVersion: 'TLSv1.2' };
      const first = connectTls({ port: httpsPort, host: '127.0.0.1', ...options });
      onTestEnd(async () => first.destroy());
      const [session] = (await once(first, 'session')) as [Buffer];
      const client = await RawClient.secure(httpsPort, { ...options, session });
      expect((client.socket as TLSSocket).isSessionReused()).toBe(true);
      await client.send(`GET / HTTP/1.1\r\nHost: ${acme}\r\n\r\n`).untilText('app');
      client.received = '';
      await client.send(`GET / HTTP/1.1\r\nHost: ${other}\r\n\r\n`).untilText('misdirected');
      expect(client.received).toMatch(/^HTTP\/1\.1 421 /);
      client.received = '';
      expect(await client.send(get).all()).toMatch(/^HTTP\/1\.1 200 [\s\S]*app/);
    });

    it('carries large bodies both ways', async () => {
      const certificates = await withAcme();
      const app = await startApp((request, response) => request.pipe(response));
      const { httpsPort } = await startSecure(certificates, app.address);
      const body = randomBytes(5_000_000);
      const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
      for (const framing of [{ 'content-length': String(body.length) }, { 'transfer-encoding': 'chunked' }]) {
        const echoed = await new Promise<Buffer>((resolve, reject) => {
          const headers = { host: acme, ...framing };
          const options = {
            port: httpsPort,
            host: '127.0.0.1',
            servername: acme,
            ca: certificates.ca,
            method: 'POST',
            headers,
            agent: false,
          };
          const outgoing = httpsRequest(
            options,
            (answer) => void answer.toArray().then((chunks) => resolve(Buffer.concat(chunks)), reject),
          );
          outgoing.on('error', reject).end(body);
        });
        expect(digest(echoed)).toBe(digest(body));
      }
    });

    it('pipelined with others is answered in order, each with its own answer', async () => {
      const certificates = await withAcme();
      const app = await startApp((request, response) => response.end(`<${request.url}>${'x'.repeat(40_000)}`));
      const { httpsPort } = await startSecure(certificates, app.address);
      const client = await RawClient.secure(httpsPort, { servername: acme, ca: certificates.ca });
      const paths = Array.from({ length: 20 }, (_, index) => `/${index}`);
      client.send(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: ${acme}\r\n\r\n`).join('') + get);
      const answers = await client.all();
      expect(answers.match(/<[^>]*>/g)).toEqual([...paths, '/'].map((path) => `<${path}>`));
      expect(answers.match(/x{40000}/g)).toHaveLength(21);
    });

    it('waits in the app while its client reads nothing: memory stays bounded', async () => {
      const certificates = await withAcme();
      let poured = { written: 0 };
      const total = 100 * 1024 * 1024;
      const app = await startApp((_, response) => {
        poured = pour(response, total);
      });
      const { httpsPort } = await startSecure(certificates, app.address);
      const client = await RawClient.secure(httpsPort, { servername: acme, ca: certificates.ca });
      client.socket.pause();
      client.send(get);
      await settled(() => poured.written);
      expect(poured.written).toBeLessThan(total / 4);
    });

    it('can become a WebSocket', async () => {
      const certificates = await withAcme();
      const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
      onTestEnd(async () => server.close());
      await once(server, 'listening');
      server.on('connection', (socket: WebSocket) =>
        socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary })),
      );
      const { httpsPort } = await startSecure(certificates, `127.0.0.1:${(server.address() as { port: number }).port}`);
      const options = { servername: acme, ca: certificates.ca, headers: { host: acme } };
      const client = new WebSocketClient(`wss://127.0.0.1:${httpsPort}/`, options);
      onTestEnd(async () => client.terminate());
      await once(client, 'open');
      for (const message of ['hello', 'x'.repeat(200_000)]) {
        client.send(message);
        const [echo] = await once(client, 'message');
        expect(String(echo)).toBe(message);
      }
      client.close();
      await once(client, 'close');
    });

    it('ends well while the gateway drains, and a handshake that goes on holds it no longer than a drain may take', async () => {
      const certificates = await withAcme();
      const waiting: (() => void)[] = [];
      const app = await startApp((_, response) => void waiting.push(() => response.end('app')));
      const { gateway, httpsPort, metrics } = await startSecure(certificates, app.address, { timeouts: { drainMs: 300 } });
      const client = await RawClient.secure(httpsPort, { servername: acme, ca: certificates.ca });
      client.send(get.replace('Connection: close\r\n', ''));
      await eventually(() => waiting.length === 1);
      const silent = await RawClient.connect(httpsPort);
      await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 2);
      const drained = gateway.drain();
      waiting[0]?.();
      expect(await client.all()).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close[\s\S]*app/i);
      await drained;
      await silent.all();
    });
  });
});

describe('a handshake', () => {
  it('gets the certificate of the name that it asks for, of one label of a wildcard, or the default if it asks for none', async () => {
    const certificates = await withAcme();
    await certificates.put('wild.burgage.internal', '*.burgage.internal');
    await certificates.put('default.burgage.internal', 'default');
    const { httpsPort } = await startSecure(certificates, '127.0.0.1:1');
    const { ca } = certificates;
    const anyName = { ca, checkServerIdentity: () => undefined };
    expect(await subjectFor(httpsPort, { ca, servername: acme })).toBe('acme');
    expect(await subjectFor(httpsPort, { ca, servername: 'ACME.burgage.internal' })).toBe('acme');
    expect(await subjectFor(httpsPort, { ...anyName, servername: 'some.burgage.internal' })).toBe('wild');
    expect(await subjectFor(httpsPort, { ...anyName, servername: 'some.more.burgage.internal' })).toBe('ECONNRESET');
    expect(await subjectFor(httpsPort, { ...anyName, servername: '' })).toBe('default');
    expect(await subjectFor(httpsPort, { ...anyName, servername: 'default' })).toBe('ECONNRESET');
  });

  /** What a client gets that names a server as tls.connect would not: the subject of the certificate, and the statuses of its answers. */
  async function askNaming(port: number, servername: string, text: string) {
    const socket = new TLSSocket(connect(port, '127.0.0.1'), { isServer: false });
    onTestEnd(async () => socket.destroy());
    (socket as TLSSocket & { setServername(name: string): void }).setServername(servername);
    let [subject, answer]: [unknown, string] = [undefined, ''];
    socket.on('secure', () => {
      subject = socket.getPeerCertificate().subject.CN;
    });
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      answer += String(bytes);
    });
    socket.write(text);
    await new Promise((resolve) => socket.once('close', resolve));
    return { subject, statuses: answer.match(/(?<=HTTP\/1\.1 )\d+/g) };
  }

  it('of a client that names an address goes as one that names nobody: with the default, and for any host', async () => {
    const certificates = await withAcme();
    const app = await startApp((_, response) => response.end('app'));
    const { httpsPort, metrics } = await startSecure(certificates, app.address);
    const both = get.replace('Connection: close\r\n', '') + get.replace(acme, other);
    for (const address of ['127.0.0.1', '::1'])
      expect(await askNaming(httpsPort, address, both)).toEqual({ subject: undefined, statuses: null });
    expect(await failures(metrics, 'no_certificate')).toBe(2);
    await certificates.put('default.burgage.internal', 'default');
    await eventually(async () => (await askNaming(httpsPort, '127.0.0.1', both)).statuses !== null);
    for (const address of ['127.0.0.1', '::1'])
      expect(await askNaming(httpsPort, address, both)).toEqual({ subject: 'default', statuses: ['200', '200'] });
    expect(await askNaming(httpsPort, acme, both)).toEqual({ subject: 'acme', statuses: ['200', '421'] });
  }, 20_000);

  it('leaves nothing of its client in the connections with an endpoint that outlive it', async () => {
    const certificates = await withAcme();
    const together = 8;
    let waiting: (() => void)[] = [];
    // All at once, so that each needs a connection of its own.
    const app = await startApp((_, response) => {
      waiting.push(() => response.end('app'));
      if (waiting.length < together) return;
      for (const answer of waiting) answer();
      waiting = [];
    });
    app.server.keepAliveTimeout = 60_000;
    const { httpsPort, metrics } = await startSecure(certificates, app.address, { timeouts: { upstreamKeepAliveMs: 60_000 } });
    const ask = async () => {
      const socket = connectTls({ port: httpsPort, host: '127.0.0.1', servername: acme, ca: certificates.ca });
      socket.resume().write(get);
      await once(socket, 'close');
    };
    await Promise.all(Array.from({ length: together }, ask));
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 0);
    const left = () => queryObjects(TLSSocket, { format: 'count' });
    for (let looks = 0; looks < 20 && left() > 0; looks++) await new Promise((resolve) => setTimeout(resolve, 25));
    expect(left()).toBe(0);
    expect(await promisify(app.server.getConnections.bind(app.server))()).toBe(together);
  });

  it('for a name that has none, or for no name where there is no default, is refused and counted', async () => {
    const certificates = await withAcme();
    const { httpsPort, metrics } = await startSecure(certificates, '127.0.0.1:1');
    for (const servername of [other, '', '..%2facme', `${acme}/../${acme}`]) {
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
        expect(await handshake(httpsPort, { servername, maxVersion, ca: certificates.ca })).toBe(
          servername === '' ? refused : 'ECONNRESET',
        );
      }
    }
    expect(await failures(metrics, 'no_certificate')).toBe(8);
    // A default that comes later is taken up.
    await certificates.put('default.burgage.internal', 'default');
    await eventually(async () => typeof (await handshake(httpsPort, { servername: '', rejectUnauthorized: false })) !== 'string');
  }, 20_000);

  it('in what is not served is refused and counted: old versions, weak ciphers, other protocols, no TLS at all', async () => {
    const certificates = await withAcme();
    const { httpsPort, metrics } = await startSecure(certificates, '127.0.0.1:1');
    const base = { servername: acme, ca: certificates.ca };
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    expect(await handshake(httpsPort, { ...base, ...old })).toContain('PROTOCOL_VERSION');
    expect(await handshake(httpsPort, { ...base, maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256' })).toBe(refused);
    expect(await handshake(httpsPort, { ...base, ALPNProtocols: ['foo'] })).toContain('NO_APPLICATION_PROTOCOL');
    const client = await RawClient.connect(httpsPort);
    expect(await client.send(get).all()).not.toContain('HTTP');
    expect(await failures(metrics, 'protocol')).toBe(3);
    expect(await failures(metrics, 'no_certificate')).toBe(1);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('of %s is for the cipher that the client likes best', async (version) => {
    const certificates = await withAcme();
    await certificates.put('default.burgage.internal', 'default');
    const { httpsPort } = await startSecure(certificates, '127.0.0.1:1');
    const names = {
      'TLSv1.2': ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
      'TLSv1.3': ['TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'],
    }[version];
    for (const servername of [acme, '']) {
      for (const order of [names, names.toReversed()]) {
        const options = { servername, minVersion: version, maxVersion: version, ciphers: order.join(':'), rejectUnauthorized: false };
        const socket = await handshake(httpsPort, options);
        expect(typeof socket === 'string' ? socket : socket.getCipher().name).toBe(order[0]);
      }
    }
  });

  it('comes once in a connection', async () => {
    const certificates = await withAcme();
    const { httpsPort } = await startSecure(certificates, '127.0.0.1:1');
    const socket = await handshake(httpsPort, { servername: acme, ca: certificates.ca, maxVersion: 'TLSv1.2' });
    if (typeof socket === 'string') throw new Error(socket);
    const failure = new Promise<string>((resolve) => {
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
      socket.renegotiate({}, (error) => resolve((error as NodeJS.ErrnoException | null)?.code ?? 'done'));
    });
    expect(await failure).toBe('ERR_SSL_NO_RENEGOTIATION');
  });

  it('that stops, or whose client leaves, ends; each is counted and nothing is left', async () => {
    const certificates = await withAcme();
    const { httpsPort, metrics } = await startSecure(certificates, '127.0.0.1:1', { timeouts: { headMs: 200 } });
    // As far as a client hello goes: a server that waits for the rest of it.
    const beginning = Buffer.from('16030100c8010000c40303', 'hex');
    const leave = async (how: 'end' | 'reset' | 'stay', bytes?: Buffer) => {
      const socket = connect(httpsPort, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      if (bytes !== undefined) socket.write(bytes);
      if (how === 'end') socket.end();
      if (how === 'reset') setTimeout(() => socket.resetAndDestroy(), 20);
      if (!socket.destroyed) await once(socket, 'close');
    };
    await Promise.all([
      leave('end'),
      leave('end', beginning),
      leave('reset'),
      leave('reset', beginning),
      leave('stay'),
      leave('stay', beginning),
    ]);
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 0);
    expect(await failures(metrics, 'timeout')).toBe(2);
    expect(await failures(metrics, 'client_gone')).toBe(4);
  });

  it('of which a byte comes now and then takes no longer than one that stops', async () => {
    const certificates = await withAcme();
    const { httpsPort, metrics } = await startSecure(certificates, '127.0.0.1:1', { timeouts: { headMs: 300 } });
    const socket = connect(httpsPort, '127.0.0.1');
    socket.on('error', () => {});
    const hello = Buffer.concat([Buffer.from('16030100c8010000c40303', 'hex'), Buffer.alloc(150)]);
    let sent = 0;
    const dripping = setInterval(() => socket.write(hello.subarray(sent, ++sent)), 20);
    onTestEnd(async () => clearInterval(dripping));
    // It may be told by an error, of a byte that was late.
    await new Promise((resolve) => socket.once('close', resolve));
    expect(sent).toBeLessThan(hello.length);
    await eventually(async () => (await failures(metrics, 'timeout')) === 1);
    expect(await failures(metrics, 'client_gone')).toBe(0);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'of a client that has a session of %s is resumed, until the key of its ticket is gone',
    async (maxVersion) => {
      const certificates = await withAcme();
      const clock = new ManualClock(new Date());
      const { httpsPort } = await startSecure(certificates, '127.0.0.1:1', { clock, timeouts: { ticketKeyMs: 60_000, headMs: 100 } });
      const options = { servername: acme, ca: certificates.ca, maxVersion };
      const session = await new Promise<Buffer>((resolve) => {
        const socket = connectTls({ port: httpsPort, host: '127.0.0.1', ...options });
        onTestEnd(async () => socket.destroy());
        socket.once('session', resolve);
      });
      const isResumed = async () => {
        const socket = await handshake(httpsPort, { ...options, session });
        return typeof socket !== 'string' && socket.isSessionReused();
      };
      expect(await isResumed()).toBe(true);
      await clock.advance(60_000);
      await eventually(async () => !(await isResumed()));
    },
  );
});

describe('certificates on disk', () => {
  async function startLogged(certificates: Certificates) {
    const file = join(await temporaryFolder(), 'log');
    const logger = createLogger({ service: 'test', level: 'info', destination: file });
    let aheadMs = 0;
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
    const started = await startSecure(certificates, '127.0.0.1:1', { logger, clock });
    const complaints = async () => (await readFile(file, 'utf8')).split('\n').filter((line) => line.includes('needs attention'));
    /** Long enough for another look at a certificate in use. */
    const pass = () => {
      aheadMs += 1_100;
    };
    return { ...started, complaints, pass };
  }
  const serialFor = async (port: number, ca: string): Promise<string> => {
    const socket = await handshake(port, { servername: acme, ca, checkServerIdentity: () => undefined });
    return typeof socket === 'string' ? socket : socket.getPeerCertificate().serialNumber;
  };

  it('are taken up when they change, and go when they are removed', async () => {
    const certificates = await withAcme();
    const { httpsPort, complaints, pass } = await startLogged(certificates);
    const first = await serialFor(httpsPort, certificates.ca);
    await certificates.put('renewed.burgage.internal', acme);
    await eventually(async () => (await serialFor(httpsPort, certificates.ca)) !== first);
    await rm(join(certificates.folder, acme), { recursive: true });
    await eventually(async () => {
      pass();
      return (await serialFor(httpsPort, certificates.ca)) === 'ECONNRESET';
    });
    expect(await complaints()).toEqual([expect.stringMatching(/acme.*it is gone/)]);
  }, 20_000);

  it.each([
    ['their folder', ''],
    ['one of their files', 'tls.key'],
  ])('stay in use while %s is removed and put there anew, as often as somebody asks meanwhile', async (_, what) => {
    const certificates = await withAcme();
    const { httpsPort, pass } = await startLogged(certificates);
    const first = await serialFor(httpsPort, certificates.ca);
    await rm(join(certificates.folder, acme, what), { recursive: true });
    for (let looks = 0; looks < 8; looks++) {
      expect(await serialFor(httpsPort, certificates.ca)).toBe(first);
      pass();
    }
    await certificates.put('renewed.burgage.internal', acme);
    const serials = new Set<string>([first]);
    await eventually(async () => {
      pass();
      return serials.size < serials.add(await serialFor(httpsPort, certificates.ca)).size;
    });
    expect([...serials]).not.toContain('ECONNRESET');
  });

  it('that are broken leave the last one in use, and are complained of once, by name', async () => {
    const certificates = await withAcme();
    const { httpsPort, complaints } = await startLogged(certificates);
    const first = await serialFor(httpsPort, certificates.ca);
    const { put, folder } = await makeCertificates();
    await put(other);
    await writeFile(join(certificates.folder, acme, 'tls.key'), await readFile(join(folder, other, 'tls.key')), { mode: 0o600 });
    await eventually(async () => {
      expect(await serialFor(httpsPort, certificates.ca)).toBe(first);
      return (await complaints()).length > 0;
    });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(await serialFor(httpsPort, certificates.ca)).toBe(first);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(await serialFor(httpsPort, certificates.ca)).toBe(first);
    const said = await complaints();
    expect(said).toHaveLength(1);
    expect(JSON.parse(said[0] ?? '')).toMatchObject({ certificate: acme });
    expect(said[0]).toContain('got the key of another certificate, expected that of tls.crt');
  }, 20_000);
});
