// What is read for clients that do not read it is counted as long as it waits, and where that is much, no more than a little is read at once.
import { systemClock, Tally } from '@burgage/runtime';
import { describe, expect, it } from 'vitest';
import { defaultLimits, defaultTimeouts } from '../../defaults.ts';
import { acme, makeCertificates } from '../../testing/certificates.ts';
import { eventually, metricValue, RawClient, type StartedGateway, startGateway, startTcp } from '../../testing/fixture.ts';
import { connectFrameClient, endHeaders, endStream, frame, head, preface, types } from '../../testing/frame-client.ts';
import { Backlog } from './backlog.ts';
import { LoopTurns } from './loop-turns.ts';
import type { Receiver, UpstreamConnection } from './upstream-connection.ts';
import { UpstreamPools } from './upstream-pools.ts';

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
  const ends = ['reads', 'leaves'] as const;

  it.each(ends)('of HTTP/1.1 is counted until it %s', async (end) => {
    const app = await startTcp((socket) => socket.once('data', () => socket.write(answer)));
    const gateway = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
    const client = await RawClient.connect(gateway.port);
    client.socket.pause();
    client.send('GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
    await eventually(async () => (await inMemory(gateway)) > 0);
    if (end === 'reads') client.socket.resume();
    else client.socket.destroy();
    await eventually(async () => (await inMemory(gateway)) === 0);
  });

  it.each([
    ['is far from whole', answer, 'reads'],
    ['is far from whole', answer, 'leaves'],
    ['the endpoint has said all of', answerOf(300_000), 'reads'],
    ['the endpoint has said all of', answerOf(300_000), 'leaves'],
  ] as const)('whose window of HTTP/2 is closed, of an answer that %s, until it is read or given up', async (_, bytes, end) => {
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
    const app = await startTcp((socket) => socket.once('data', () => socket.write(answer)));
    const gateway = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
    const client = await RawClient.connect(gateway.port);
    client.socket.pause();
    client.send('GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
    const waited: number[] = [];
    // A megabyte at a time.
    for (let left = answer.length; left > 0; ) {
      if (left > answer.length / 2) await eventually(async () => (await inMemory(gateway)) > 0);
      waited.push(await inMemory(gateway));
      for (let more = 1024 * 1024; more > 0 && left > 0; ) {
        await eventually(() => client.socket.readableLength > 0);
        const bytes = (client.socket.read() as Buffer).length;
        more -= bytes;
        left -= bytes;
      }
    }
    expect(Math.max(...waited)).toBeLessThan(2 * 1024 * 1024);
    await eventually(async () => (await inMemory(gateway)) === 0);
  });

  it.each(ends)('in a tunnel is counted until it %s', async (end) => {
    const app = await startTcp((socket) =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
        socket.write(answer);
      }),
    );
    const gateway = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
    const client = await RawClient.connect(gateway.port);
    client.socket.pause();
    client.send('GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    await eventually(async () => (await inMemory(gateway)) > 0);
    if (end === 'reads') client.socket.resume();
    else client.socket.destroy();
    await eventually(async () => (await inMemory(gateway)) === 0);
  });
});

describe('what is read at once of an endpoint', () => {
  /** The most in one read of an answer that has come already, as far as the system keeps it. */
  async function mostAtOnce(backlog: Backlog): Promise<number> {
    const app = await startTcp((socket) => socket.once('data', () => socket.write(answer)));
    const pools = new UpstreamPools({
      timeouts: defaultTimeouts,
      limits: defaultLimits,
      nowMs: () => 0,
      turns: new LoopTurns(systemClock),
      backlog,
      onFault: (error) => {
        throw error;
      },
    });
    let most = 0;
    const connection = await new Promise<UpstreamConnection>((resolve, reject) => {
      const unwanted = () => reject(new Error('no connection'));
      const taker = { tenant: undefined, connected: resolve, unreachable: reject, queueFull: unwanted, crowding: unwanted, fault: reject };
      pools.take(app.address, taker);
    });
    await new Promise<void>((resolve, reject) => {
      const receiver: Receiver = {
        request: { method: 'GET', upgrade: undefined },
        informed() {},
        begun() {},
        piece() {},
        ended: () => {
          resolve();
          return true;
        },
        switched() {},
        broken: ({ error }) => reject(error),
        flush: (bytes) => {
          most = Math.max(most, bytes);
          return true;
        },
        room() {},
        fault: reject,
      };
      connection.begin(receiver);
      connection.socket.write('GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
    });
    pools.close();
    return most;
  }

  it('is a lot, and little while much waits', async () => {
    const backlog = new Backlog(new Tally());
    expect(await mostAtOnce(backlog)).toBeGreaterThan(64 * 1024);
    backlog.hold(backlog, 100_000_000);
    expect(await mostAtOnce(backlog)).toBe(64 * 1024);
    backlog.release(backlog);
    expect(await mostAtOnce(backlog)).toBeGreaterThan(64 * 1024);
  });
});
