// HTTP/2: the same life of a request on every stream, as strict, as bounded, and ended as well.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
  sensitiveHeaders,
} from 'node:http2';
import { join } from 'node:path';
import { seededRandom } from '@burgage/runtime';
import { describe, expect, it } from 'vitest';
import { acme, makeCertificates, other } from '../../testing/certificates.ts';
import {
  eventually,
  metricValue,
  onTestEnd,
  pour,
  type StartedGateway,
  seedOfRun,
  settled,
  startApp,
  startGateway,
  startTcp,
  temporaryFolder,
} from '../../testing/fixture.ts';

interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly trailers: Record<string, unknown>;
  readonly hints: Record<string, unknown>[];
  readonly body: string;
}

async function startHttp2(
  backend: string,
  options: Parameters<typeof startGateway>[1] = {},
): Promise<StartedGateway & { readonly open: () => Promise<ClientHttp2Session> }> {
  const certificates = await makeCertificates();
  await certificates.put(acme);
  const lines = [acme, other].map((host) => ({ host, backends: [backend] }));
  const started = await startGateway(lines, { httpsPort: 0, certificates: certificates.folder, ...options });
  const open = async () => {
    const session = connect(`https://${acme}`, {
      ca: certificates.ca,
      host: '127.0.0.1',
      port: started.httpsPort,
      servername: acme,
    });
    session.on('error', () => {});
    onTestEnd(async () => session.destroy());
    await once(session, 'remoteSettings');
    return session;
  };
  return { ...started, open };
}

/** What is wrong with it where it comes to no answer. */
async function finish(stream: ClientHttp2Stream): Promise<Answer | string> {
  let head: Record<string, unknown> = {};
  let trailers: Record<string, unknown> = {};
  const hints: Record<string, unknown>[] = [];
  let body = '';
  let failure: string | undefined;
  stream.setEncoding('latin1');
  stream.on('response', (headers) => (head = { ...headers }));
  stream.on('headers', (headers) => hints.push({ ...headers }));
  stream.on('trailers', (headers) => (trailers = { ...headers }));
  stream.on('data', (text: string) => (body += text));
  stream.on('error', (error: NodeJS.ErrnoException) => (failure = error.message));
  await new Promise<void>((resolve) => stream.once('close', () => resolve()));
  if (head[':status'] === undefined || failure !== undefined) return failure ?? `closed with ${stream.rstCode}`;
  return { status: Number(head[':status']), headers: head, trailers, hints, body };
}

async function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}, body?: string | Buffer): Promise<Answer> {
  const stream = session.request({ ':path': '/', ':authority': acme, ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  const answer = await finish(stream);
  if (typeof answer === 'string') throw new Error(answer);
  return answer;
}

const idle = async ({ metrics }: StartedGateway) => (await metricValue(metrics, 'burgage_gateway_requests_in_flight')) === 0;
const terminations = ({ metrics }: StartedGateway, reason: string) =>
  metricValue(metrics, 'burgage_gateway_terminations_total', { reason });

describe('a request of HTTP/2', () => {
  it('is answered with a request id that no table keeps, whoever answers', async () => {
    const app = await startApp((_, response) => response.end('app'));
    const { open } = await startHttp2(app.address);
    const session = await open();
    for (const [path, expected] of [
      ['/', 200],
      ['/_burgage', 404],
    ] as const) {
      const { status, headers } = await ask(session, { ':path': path });
      expect(status).toBe(expected);
      expect((headers as Record<symbol, unknown>)[sensitiveHeaders]).toEqual(['x-request-id']);
    }
  });

  it('is served as one of HTTP/1.1, with what is said of its client', async () => {
    const app = await startApp((request, response) => {
      response.setHeader('Set-Cookie', ['a=1', 'b=2']).setHeader('X-App', 'yes').setHeader('Connection', 'x-hop').setHeader('X-Hop', 'no');
      response.end(JSON.stringify({ version: request.httpVersion, url: request.url, ...request.headers }));
    });
    const accessLog = join(await temporaryFolder(), 'access.log');
    const { open, gateway } = await startHttp2(app.address, { accessLog });
    const session = await open();
    const { status, headers, body } = await ask(session, {
      ':path': '/a?b=c',
      cookie: ['x=1', 'y=2'],
      'x-forwarded-for': '1.2.3.4',
      te: 'trailers',
    });
    expect(status).toBe(200);
    expect(headers).toMatchObject({ 'set-cookie': ['a=1', 'b=2'], 'x-app': 'yes', 'x-request-id': expect.any(String) });
    expect(headers).not.toHaveProperty('x-hop');
    expect(JSON.parse(body)).toMatchObject({
      version: '1.1',
      url: '/a?b=c',
      host: acme,
      cookie: 'x=1; y=2',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'https',
      forwarded: `for=127.0.0.1;host="${acme}";proto=https`,
    });
    expect(JSON.parse(body)).not.toHaveProperty('te');
    await gateway.stop();
    expect(JSON.parse(await readFile(accessLog, 'utf8'))).toMatchObject({
      scheme: 'https',
      path: '/a',
      status: 200,
      termination: 'completed',
    });
  });

  it('has the lines that node:http2 packs, and it has those that we do, whatever recurs and whatever drives it out', async () => {
    const app = await startApp((request, response) => {
      for (const [name, value = ''] of Object.entries(request.headers)) if (name.startsWith('x-test-')) response.setHeader(name, value);
      response.end();
    });
    const session = await (await startHttp2(app.address)).open();
    const random = seededRandom(seedOfRun());
    const upTo = (bound: number) => Math.floor(random.float() * bound);
    const text = (length: number) => String.fromCharCode(...Array.from({ length }, () => 0x21 + upTo(0x7e - 0x21)));
    const recurring = Array.from({ length: 20 }, () => text(1 + upTo(100)));
    for (let round = 0; round < 200; round++) {
      const lines = Array.from({ length: upTo(20) }, () => {
        const value = random.float() < 0.5 ? recurring[upTo(recurring.length)] : text(upTo(300));
        return [`x-test-${upTo(30)}`, value];
      });
      const expected = Object.fromEntries(lines);
      const { headers } = await ask(session, expected);
      expect(Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-test-')))).toEqual(expected);
    }
  });

  it('carries large bodies both ways, with and without a length, on many streams at once', async () => {
    const app = await startApp((request, response) => request.pipe(response));
    const { open } = await startHttp2(app.address);
    const session = await open();
    const body = randomBytes(1_000_000);
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    const framings = [{}, { 'content-length': String(body.length) }];
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => ask(session, { ':method': 'POST', ...framings[index % 2] }, body)),
    );
    for (const answer of answers) expect(digest(Buffer.from(answer.body, 'latin1'))).toBe(digest(body));
  });

  it('gets an answer without a body where there is none to come', async () => {
    const app = await startApp((request, response) => {
      const status = Number(request.url?.slice(1));
      response.writeHead(status, status === 200 ? { 'Content-Length': '5' } : {});
      response.end();
    });
    const { open } = await startHttp2(app.address);
    const session = await open();
    expect(await ask(session, { ':method': 'HEAD', ':path': '/200' })).toMatchObject({
      status: 200,
      body: '',
      headers: { 'content-length': '5' },
    });
    expect(await ask(session, { ':path': '/204' })).toMatchObject({ status: 204, body: '' });
    expect(await ask(session, { ':path': '/304' })).toMatchObject({ status: 304, body: '' });
  });

  it('gets early hints and trailers, those alone that an app may say', async () => {
    const app = await startTcp((socket) =>
      socket.on('data', () =>
        socket.write(
          'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\nSet-Cookie: a=b\r\nServer-Timing: app\r\n\r\n',
        ),
      ),
    );
    const { open } = await startHttp2(app.address);
    const answer = await ask(await open());
    expect(answer).toMatchObject({ status: 200, body: 'abc', hints: [{ ':status': 103, link: '</a>; rel=preload' }] });
    expect(answer.trailers).toMatchObject({ 'server-timing': 'app' });
    expect(answer.trailers).not.toHaveProperty('set-cookie');
  });

  it('has the trailers of its request passed on, those alone that may be said', async () => {
    let asked = '';
    const { address } = await startTcp((socket) =>
      socket.on('data', (bytes) => {
        asked += bytes;
        if (asked.includes('\r\n0\r\n') && asked.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      }),
    );
    const { open } = await startHttp2(address);
    const stream = (await open()).request({ ':method': 'POST', ':path': '/', ':authority': acme }, { waitForTrailers: true });
    const answer = finish(stream);
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '6', 'set-cookie': 'a=b' }));
    stream.end('abc');
    expect(await answer).toMatchObject({ status: 200 });
    expect(asked).toContain('3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n');
  });

  it('gets each piece of an answer when it comes, and its trailers behind the last', async () => {
    let app: { write(text: string): void } | undefined;
    const { address } = await startTcp((socket) =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
        app = socket;
      }),
    );
    const { open } = await startHttp2(address);
    const stream = (await open()).request({ ':path': '/', ':authority': acme });
    const answer = finish(stream);
    await once(stream, 'response');
    app?.write('3\r\none\r\n');
    expect(String((await once(stream, 'data'))[0])).toBe('one');
    app?.write('3\r\ntwo\r\n0\r\nETag: "x"\r\n\r\n');
    expect(await answer).toMatchObject({ body: 'onetwo', trailers: { etag: '"x"' } });
  });

  it('that expects to be told so is told to go on', async () => {
    const app = await startApp((request, response) => request.pipe(response));
    const { open } = await startHttp2(app.address);
    const stream = (await open()).request({ ':method': 'POST', ':path': '/', ':authority': acme, expect: '100-continue' });
    const answer = finish(stream);
    await once(stream, 'continue');
    stream.end('body');
    expect(await answer).toMatchObject({ status: 200, body: 'body' });
  });

  it('for another host than TLS was begun with is misdirected', async () => {
    const app = await startApp((_, response) => response.end('app'));
    const { open } = await startHttp2(app.address);
    const session = await open();
    expect(await ask(session, { ':authority': other })).toMatchObject({ status: 421 });
    expect(await ask(session)).toMatchObject({ status: 200, body: 'app' });
  });

  it.each<[string, OutgoingHttpHeaders, number]>([
    ['names two hosts', { host: other }, 400],
    ['is of another scheme', { ':scheme': 'http' }, 400],
    ['has a fragment in its path', { ':path': '/a#b' }, 400],
    ['has a method that is not known', { ':method': 'GETT' }, 400],
    ['is TRACE', { ':method': 'TRACE' }, 400],
    ['expects what is not known', { expect: 'a miracle' }, 400],
    ['has a target that is too long', { ':path': `/${'a'.repeat(9_000)}` }, 414],
    ['has too many lines', Object.fromEntries(Array.from({ length: 110 }, (_, index) => [`x-${index}`, 'a'])), 431],
    ['has a head that is too large', { 'x-large': 'a'.repeat(16_500) }, 431],
  ])('that %s is refused, and nothing of it is forwarded', async (_, headers, status) => {
    let asked = 0;
    const app = await startApp((__, response) => {
      asked += 1;
      response.end();
    });
    const { open } = await startHttp2(app.address);
    const session = await open();
    expect(await ask(session, headers)).toMatchObject({ status });
    expect(asked).toBe(0);
    expect(await ask(session)).toMatchObject({ status: 200 });
  });

  it.each(['a', `https://${acme}/`, '/a b', '/a\r\nb'])('for the path %j is reset', async (path) => {
    const { open } = await startHttp2('127.0.0.1:1');
    const stream = (await open()).request({ ':path': path, ':authority': acme });
    expect(await finish(stream)).toContain('NGHTTP2_PROTOCOL_ERROR');
  });

  it('whose body is larger than allowed is answered, and need not be sent to its end', async () => {
    const app = await startApp((request, response) => request.pipe(response));
    const started = await startHttp2(app.address, { limits: { bodyBytesMax: 10_000 } });
    const session = await started.open();
    const stream = session.request({ ':method': 'POST', ':path': '/', ':authority': acme });
    const answer = finish(stream);
    stream.write(Buffer.alloc(20_000));
    expect(await answer).toMatchObject({ status: 413 });
    expect(await ask(session, { ':method': 'POST' }, 'x')).toMatchObject({ status: 200, body: 'x' });
  });

  it('whose app breaks off is reset, never ended', async () => {
    const app = await startTcp((socket) =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
        setTimeout(() => socket.resetAndDestroy(), 20);
      }),
    );
    const started = await startHttp2(app.address);
    const stream = (await started.open()).request({ ':path': '/', ':authority': acme });
    expect(await finish(stream)).toContain('NGHTTP2_INTERNAL_ERROR');
    expect(await terminations(started, 'upstream_failed')).toBe(1);
  });

  it('that its client gives up within its body is broken off at the app: what came is not taken for all', async () => {
    let received = '';
    let isClosed = false;
    const app = await startTcp((socket) => {
      socket.on('data', (bytes) => (received += bytes));
      socket.on('end', () => {
        isClosed = true;
        socket.end();
      });
    });
    const started = await startHttp2(app.address);
    const session = await started.open();
    // Resets it with INTERNAL_ERROR, and with NO_ERROR.
    for (const error of [new Error('given up'), undefined]) {
      [received, isClosed] = ['', false];
      const stream = session.request({ ':method': 'POST', ':path': '/', ':authority': acme });
      stream.on('error', () => {});
      stream.write('half');
      await eventually(() => received.includes('half'));
      stream.destroy(error);
      await eventually(() => isClosed);
      expect(received).not.toContain('0\r\n\r\n');
    }
    await eventually(async () => (await terminations(started, 'client_gone')) === 2);
    await eventually(() => idle(started));
  });

  it('waits in the app while its client reads nothing, and other streams of the connection go on', async () => {
    let poured = { written: 0 };
    const total = 100 * 1024 * 1024;
    const app = await startApp((request, response) => {
      if (request.url === '/small') {
        response.end('small');
        return;
      }
      poured = pour(response, total);
    });
    const started = await startHttp2(app.address);
    const session = await started.open();
    const stream = session.request({ ':path': '/', ':authority': acme });
    stream.on('error', () => {});
    await once(stream, 'response');
    await settled(() => poured.written);
    expect(poured.written).toBeLessThan(total / 4);
    expect(await ask(session, { ':path': '/small' })).toMatchObject({ body: 'small' });
    stream.close(constants.NGHTTP2_CANCEL);
    await eventually(() => idle(started));
  });

  it('waits in its client while the app reads nothing', async () => {
    const app = await startTcp((socket) => socket.pause());
    const { open } = await startHttp2(app.address);
    const stream = (await open()).request({ ':method': 'POST', ':path': '/', ':authority': acme });
    stream.on('error', () => {});
    let taken = 0;
    const chunk = Buffer.alloc(64 * 1024);
    const more = () => {
      if (taken >= 50 * 1024 * 1024) return;
      stream.write(chunk, () => {
        taken += chunk.length;
        more();
      });
    };
    more();
    await settled(() => taken);
    expect(taken).toBeLessThan(20 * 1024 * 1024);
    stream.close(constants.NGHTTP2_CANCEL);
  });

  it.each([
    ['an app that does not answer', { firstByteMs: 100 }, 504],
    ['a body that stops', { bodyIdleMs: 100 }, 408],
  ])('with %s is answered in time', async (_, timeouts, status) => {
    const app = await startTcp((socket) => socket.resume());
    const { open } = await startHttp2(app.address, { timeouts });
    const session = await open();
    const isPost = status === 408;
    const stream = session.request({ ':method': isPost ? 'POST' : 'GET', ':path': '/', ':authority': acme });
    if (isPost) stream.write('half');
    expect(await finish(stream)).toMatchObject({ status });
  });

  it('whose client takes nothing of its answer for too long is reset', async () => {
    const app = await startApp((_, response) => response.end(Buffer.alloc(1_000_000)));
    const started = await startHttp2(app.address, { timeouts: { streamIdleMs: 200 } });
    const stream = (await started.open()).request({ ':path': '/', ':authority': acme });
    stream.on('error', () => {});
    await once(stream, 'response');
    await eventually(async () => (await terminations(started, 'client_timeout')) === 1);
    await eventually(() => stream.closed);
  });
});

describe('a connection of HTTP/2', () => {
  it('says goodbye when it has been idle for long enough', async () => {
    const app = await startApp((_, response) => response.end('app'));
    const started = await startHttp2(app.address, { timeouts: { keepAliveMs: 100 } });
    const session = await started.open();
    expect(await ask(session)).toMatchObject({ status: 200 });
    const [code] = await once(session, 'goaway');
    expect(code).toBe(constants.NGHTTP2_NO_ERROR);
    await eventually(async () => (await metricValue(started.metrics, 'burgage_gateway_client_connections')) === 0);
  });

  it('is ended by a drain when its streams have ended, and begins no other', async () => {
    const waiting: (() => void)[] = [];
    const app = await startApp((_, response) => void waiting.push(() => response.end('app')));
    const started = await startHttp2(app.address);
    const [busy, unused] = [await started.open(), await started.open()];
    const answer = ask(busy);
    await eventually(() => waiting.length === 1);
    const goneAway = [once(busy, 'goaway'), once(unused, 'goaway')];
    const drained = started.gateway.drain();
    await Promise.all(goneAway);
    waiting[0]?.();
    expect(await answer).toMatchObject({ status: 200, body: 'app' });
    await drained;
    expect(await terminations(started, 'completed')).toBe(1);
  });

  it('is cut by a drain that has taken long enough', async () => {
    const app = await startTcp((socket) => socket.resume());
    const started = await startHttp2(app.address, { timeouts: { drainMs: 50 } });
    const stream = (await started.open()).request({ ':path': '/', ':authority': acme });
    stream.on('error', () => {});
    await eventually(async () => !(await idle(started)));
    await started.gateway.drain();
    expect(await terminations(started, 'cut')).toBe(1);
    expect(await idle(started)).toBe(true);
  });

  it('that goes away takes its streams with it, at the app too', async () => {
    const apps: { closed: boolean }[] = [];
    const app = await startTcp((socket) => {
      const one = { closed: false };
      apps.push(one);
      socket.resume().on('end', () => {
        one.closed = true;
        socket.end();
      });
    });
    const started = await startHttp2(app.address);
    const session = await started.open();
    for (let index = 0; index < 20; index++) session.request({ ':path': `/${index}`, ':authority': acme }).on('error', () => {});
    await eventually(() => apps.length === 20);
    session.destroy();
    await eventually(() => apps.every(({ closed }) => closed));
    await eventually(() => idle(started));
    expect(await metricValue(started.metrics, 'burgage_gateway_client_connections')).toBe(0);
    expect(await terminations(started, 'client_gone')).toBe(20);
  });

  it('serves no more streams at once than it says', async () => {
    const app = await startTcp((socket) => socket.resume());
    const started = await startHttp2(app.address);
    const session = await started.open();
    expect(session.remoteSettings).toMatchObject({ maxConcurrentStreams: 100, enableConnectProtocol: false });
  });

  it('that resets its streams without end is told to calm down; what others have is left alone', async () => {
    const app = await startTcp((socket) => socket.resume());
    const started = await startHttp2(app.address);
    const [session, neighbour] = [await started.open(), await started.open()];
    const patient = neighbour.request({ ':path': '/', ':authority': acme });
    patient.on('error', () => {});
    const calmed = once(session, 'goaway');
    const flood = setInterval(() => {
      if (session.destroyed || session.closed) return;
      for (let index = 0; index < 50; index++) {
        const stream = session.request({ ':path': '/', ':authority': acme });
        stream.on('error', () => {});
        setImmediate(() => stream.close(constants.NGHTTP2_CANCEL));
      }
    }, 5);
    onTestEnd(async () => clearInterval(flood));
    const [code] = await calmed;
    clearInterval(flood);
    expect(code).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await eventually(async () => (await metricValue(started.metrics, 'burgage_gateway_http2_calmed_total')) === 1);
    await eventually(async () => (await metricValue(started.metrics, 'burgage_gateway_requests_in_flight')) === 1);
    expect(patient.closed).toBe(false);
  });

  it('that pings without end is told to calm down', async () => {
    const started = await startHttp2('127.0.0.1:1');
    const session = await started.open();
    const calmed = once(session, 'goaway');
    const flood = setInterval(() => {
      for (let index = 0; index < 9 && !session.destroyed; index++) session.ping(() => {});
    }, 1);
    onTestEnd(async () => clearInterval(flood));
    const [code] = await calmed;
    clearInterval(flood);
    expect(code).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });
});
