// What is read for clients that do not read it is counted as long as it waits, and where that is much, no more than a little is read at once.
import dns from 'node:dns';
import { systemClock, Tally } from '@burgage/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import { defaultLimits, defaultTimeouts } from '../../defaults.ts';
import { acme, makeCertificates } from '../../testing/certificates.ts';
import { eventually, metricValue, RawClient, type StartedGateway, sendRaw, startGateway, startTcp } from '../../testing/fixture.ts';
import { connectFrameClient, endHeaders, endStream, frame, head, preface, types } from '../../testing/frame-client.ts';
import { Backlog } from './backlog.ts';
import { LoopTurns } from './loop-turns.ts';
import type { UpstreamConnection } from './upstream-connection.ts';
import { type PoolOptions, UpstreamPools } from './upstream-pools.ts';

const answerOf = (bytes: number): Buffer =>
  Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`), Buffer.alloc(bytes)]);
/** More than the system keeps of it. */
const answer = answerOf(32 * 1024 * 1024);
const inMemory = ({ metrics }: StartedGateway): Promise<number> => metricValue(metrics, 'burgage_gateway_backlog_bytes');

it('is as much as all hold together, and no more when they have let go', () => {
  const bytes = new Tally();
  const backlog = new Backlog(bytes);
  const [one, other] = [{}, {}];
  backlog.hold(one, 60_000_000);
  backlog.hold(other, 7_000_000);
  expect([bytes.value, backlog.isLarge]).toEqual([67_000_000, false]);
  backlog.hold(other, 1_000_000);
  expect([bytes.value, backlog.isLarge]).toEqual([68_000_000, true]);
  backlog.release(one);
  backlog.release(one);
  expect([bytes.value, backlog.isLarge]).toEqual([8_000_000, false]);
  backlog.release(other);
  backlog.release({});
  expect(bytes.value).toBe(0);
});

describe('what waits for a client', () => {
  /** A client of HTTP/1.1 that asks for so much and reads nothing. */
  async function askUnread(says: readonly (string | Buffer)[], lines = '') {
    const app = await startTcp((socket) =>
      socket.once('data', () => {
        for (const said of says) socket.write(said);
      }),
    );
    const gateway = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
    const client = await RawClient.connect(gateway.port);
    client.socket.pause();
    client.send(`GET / HTTP/1.1\r\nHost: acme.test\r\n${lines}\r\n`);
    await eventually(async () => (await inMemory(gateway)) > 0);
    return { gateway, socket: client.socket };
  }

  const upgraded = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';

  it.each([
    ['of HTTP/1.1', 'reads', [answer], ''],
    ['of HTTP/1.1', 'leaves', [answer], ''],
    ['in a tunnel', 'reads', [upgraded, answer], 'Connection: Upgrade\r\nUpgrade: x\r\n'],
    ['in a tunnel', 'leaves', [upgraded, answer], 'Connection: Upgrade\r\nUpgrade: x\r\n'],
  ] as const)('%s is counted until it %s', async (_, end, says, lines) => {
    const { gateway, socket } = await askUnread(says, lines);
    if (end === 'reads') socket.resume();
    else socket.destroy();
    await eventually(async () => (await inMemory(gateway)) === 0);
  });

  it.each([
    ['until it reads, of an answer that is far from whole', answer, 'reads'],
    ['until it leaves, of an answer that is far from whole', answer, 'leaves'],
    ['until it reads, of an answer that the endpoint has said all of', answerOf(300_000), 'reads'],
    ['until it leaves, of an answer that the endpoint has said all of', answerOf(300_000), 'leaves'],
  ] as const)('of HTTP/2 whose window is closed is counted %s', async (_, bytes, end) => {
    const certificates = await makeCertificates();
    await certificates.put(acme);
    const app = await startTcp((socket) => socket.once('data', () => socket.write(bytes)));
    const gateway = await startGateway([{ host: acme, backends: [app.address] }], { httpsPort: 0, certificates: certificates.folder });
    const client = await connectFrameClient(gateway.httpsPort, certificates.ca);
    client.socket.write(Buffer.concat([preface, frame(types.headers, endHeaders | endStream, 1, head('GET'))]));
    await eventually(async () => (await inMemory(gateway)) > 0);
    if (end === 'leaves') client.socket.destroy();
    else {
      // Windows of the stream and of the connection, as far as they go.
      const most = Buffer.from([0x7f, 0xfe, 0xff, 0xff]);
      client.socket.write(Buffer.concat([frame(types.windowUpdate, 0, 0, most), frame(types.windowUpdate, 0, 1, most)]));
    }
    await eventually(async () => (await inMemory(gateway)) === 0);
  });

  it('is no more than was read last, however often it had to be waited for', async () => {
    const { gateway, socket } = await askUnread([answer]);
    const waited: number[] = [];
    // A megabyte at a time.
    for (let left = answer.length; left > 0; ) {
      if (left > answer.length / 2) await eventually(async () => (await inMemory(gateway)) > 0);
      waited.push(await inMemory(gateway));
      for (let more = 1024 * 1024; more > 0 && left > 0; ) {
        await eventually(() => socket.readableLength > 0);
        const bytes = (socket.read() as Buffer).length;
        more -= bytes;
        left -= bytes;
      }
    }
    expect(Math.max(...waited)).toBeLessThan(2 * 1024 * 1024);
    await eventually(async () => (await inMemory(gateway)) === 0);
  });
});

describe('what is read at once of an endpoint', () => {
  async function start(backlog: Backlog) {
    const app = await startTcp((socket) => socket.on('data', () => socket.write(answer)));
    const options: PoolOptions = {
      timeouts: defaultTimeouts,
      limits: defaultLimits,
      nowMs: () => 0,
      turns: new LoopTurns(systemClock),
      backlog,
      onFault: (error) => {
        throw error;
      },
    };
    const connect = () =>
      new Promise<UpstreamConnection>((connected, fault) => {
        const unwanted = () => fault(new Error('no connection'));
        const pools = new UpstreamPools(options);
        pools.take(app.address, { tenant: undefined, connected, unreachable: fault, queueFull: unwanted, crowding: unwanted, fault });
      });
    /** How much each read has of an answer that comes as fast as it is read; what was `unread` is to be waited for. */
    const ask = (connection: UpstreamConnection, unread: (reads: number) => boolean = () => false) =>
      new Promise<readonly number[]>((resolve, reject) => {
        const reads: number[] = [];
        let isOver = false;
        connection.begin({
          request: { method: 'GET', upgrade: undefined },
          informed() {},
          begun() {},
          piece() {},
          ended() {
            isOver = true;
            return true;
          },
          switched() {},
          broken: ({ error }) => reject(error),
          flush(bytes) {
            reads.push(bytes);
            if (isOver) resolve(reads);
            if (!unread(reads.length)) return true;
            setImmediate(() => connection.resume());
            return false;
          },
          room() {},
          fault: reject,
        });
        connection.socket.write('GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
      });
    return { connect, ask };
  }
  const most = (reads: readonly number[]) => Math.max(...reads);

  it('is a lot, and little while much waits, on any connection', async () => {
    const backlog = new Backlog(new Tally());
    const { connect, ask } = await start(backlog);
    const old = await connect();
    expect(most(await ask(old))).toBeGreaterThan(64 * 1024);
    backlog.hold(backlog, 100_000_000);
    const young = await connect();
    expect(most(await ask(young))).toBe(64 * 1024);
    // It had been told how much before.
    const [, ...reads] = await ask(old);
    expect(most(reads)).toBe(64 * 1024);
    backlog.release(backlog);
    const [, ...later] = await ask(young);
    expect(most(later)).toBeGreaterThan(64 * 1024);
    for (const { socket } of [old, young]) socket.destroy();
  });

  it('is little from a piece on that its client did not take at once, and more again as it does', async () => {
    const { connect, ask } = await start(new Backlog(new Tally()));
    const connection = await connect();
    const neverTaken = await ask(connection, () => true);
    expect(most(neverTaken.slice(0, 1))).toBeLessThanOrEqual(256 * 1024);
    expect(most(neverTaken.slice(1))).toBe(64 * 1024);
    const onceNotTaken = await ask(connection, (reads) => reads === 10);
    expect(most(onceNotTaken.slice(0, 10))).toBeGreaterThan(256 * 1024);
    expect(most(onceNotTaken.slice(10, 11))).toBeLessThanOrEqual(64 * 1024);
    expect(most(onceNotTaken.slice(11, 12))).toBeLessThanOrEqual(256 * 1024);
    expect(most(onceNotTaken.slice(12))).toBeGreaterThan(256 * 1024);
    // The next client is another one.
    const slow = await ask(connection, () => true);
    expect(most(slow.slice(0, 1))).toBeLessThanOrEqual(256 * 1024);
    expect(most(slow.slice(1))).toBe(64 * 1024);
    connection.socket.destroy();
  });

  it('is what the endpoint said, also where another address of its name was tried before', async () => {
    // No name of this machine has two addresses.
    const { lookup } = dns;
    onTestFinished(() => {
      dns.lookup = lookup;
    });
    const addresses = [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ];
    dns.lookup = ((name: string, options: dns.LookupOptions, found: (error: null, all: unknown) => void) =>
      name === 'app.test' ? found(null, addresses) : lookup(name, options, found as never)) as typeof lookup;
    const app = await startTcp((socket) => socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')));
    const gateway = await startGateway([{ host: 'acme.test', backends: [app.address.replace('127.0.0.1', 'app.test')] }]);
    expect(await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
  });
});
