// Frames of HTTP/2 that only cost: whatever a client sends without end, its connection ends and nobody else's does.
import { describe, expect, it } from 'vitest';
import { acme, makeCertificates } from '../../testing/certificates.ts';
import { eventually, metricValue, onTestEnd, type StartedGateway, startApp, startGateway } from '../../testing/fixture.ts';
import {
  connectFrameClient,
  endHeaders,
  endStream,
  type FrameClient,
  field,
  frame,
  head,
  preface,
  types,
} from '../../testing/frame-client.ts';

async function open(
  options: Parameters<typeof startGateway>[1] = {},
  allowHalfOpen = false,
): Promise<StartedGateway & { readonly client: FrameClient }> {
  const certificates = await makeCertificates();
  await certificates.put(acme);
  const app = await startApp((request, response) => request.resume().on('end', () => response.end('app')));
  const backends = [app.address];
  const started = await startGateway([{ host: acme, backends }], { httpsPort: 0, certificates: certificates.folder, ...options });
  return { ...started, client: await connectFrameClient(started.httpsPort, certificates.ca, allowHalfOpen) };
}

async function nothingIsLeft({ metrics }: StartedGateway): Promise<void> {
  await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 0);
  expect(await metricValue(metrics, 'burgage_gateway_requests_in_flight')).toBe(0);
}

describe('a connection of HTTP/2', () => {
  it('that is used as it should be is served', async () => {
    const { client } = await open();
    client.socket.write(Buffer.concat([preface, frame(types.headers, endStream | endHeaders, 1, head('GET'))]));
    await eventually(() => client.received.includes('app'));
    expect(client.goAway).toBeUndefined();
  });

  it.each<[string, Buffer, (round: number) => Buffer]>([
    [
      'of resets',
      preface,
      (round) =>
        Buffer.concat([
          frame(types.headers, endHeaders, 2 * round + 1, head('POST')),
          frame(types.reset, 0, 2 * round + 1, Buffer.from([0, 0, 0, 8])),
        ]),
    ],
    [
      'of streams that we have to reset',
      preface,
      (round) =>
        Buffer.concat([
          frame(types.headers, endHeaders, 2 * round + 1, head('POST')),
          frame(types.windowUpdate, 0, 2 * round + 1, Buffer.alloc(4)),
        ]),
    ],
    [
      'of trailers that are too many',
      // With room for all the answers.
      Buffer.concat([preface, frame(types.windowUpdate, 0, 0, Buffer.from([0x70, 0, 0, 0]))]),
      (round) =>
        Buffer.concat([
          frame(types.headers, endHeaders, 2 * round + 1, head('POST')),
          frame(types.headers, endHeaders | endStream, 2 * round + 1, Buffer.concat(Array.from({ length: 33 }, () => field('a', 'b')))),
        ]),
    ],
    ['of pings', preface, () => frame(types.ping, 0, 0, Buffer.alloc(8))],
    ['of settings', preface, () => frame(types.settings, 0, 0)],
    [
      'of a head in pieces',
      Buffer.concat([preface, frame(types.headers, 0, 1, head('GET'))]),
      () => frame(types.continuation, 0, 1, field('a', 'b')),
    ],
    ['of a head in empty pieces', Buffer.concat([preface, frame(types.headers, 0, 1, head('GET'))]), () => frame(types.continuation, 0, 1)],
  ])('is ended by a flood %s', async (_, beginning, make) => {
    const started = await open();
    started.client.socket.write(beginning);
    await started.client.flood(make);
    await nothingIsLeft(started);
  });

  it.each<[string, Buffer]>([
    ['says nothing', Buffer.alloc(0)],
    ['stops within its first words', preface.subarray(0, 10)],
    ['begins no request', preface],
    ['stops within a head', Buffer.concat([preface, frame(types.headers, 0, 1, head('GET'))])],
  ])('that %s is ended in time', async (_, bytes) => {
    const started = await open({ timeouts: { headMs: 100, keepAliveMs: 100, lingerMs: 50 } });
    started.client.socket.write(bytes);
    await eventually(() => started.client.closed);
    await nothingIsLeft(started);
  });

  it('has a body in empty frames for no longer than one that has stopped', async () => {
    const started = await open({ timeouts: { bodyIdleMs: 200 } });
    const { client, metrics } = started;
    client.socket.write(Buffer.concat([preface, frame(types.headers, endHeaders, 1, head('POST'))]));
    const flood = setInterval(() => client.socket.write(frame(types.data, 0, 1)), 5);
    onTestEnd(async () => clearInterval(flood));
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_refusals_total', { code: 'request_timeout' })) === 1);
    clearInterval(flood);
    expect(await metricValue(metrics, 'burgage_gateway_requests_in_flight')).toBe(0);
  });

  it('whose client never closes its side is ended all the same, when it is idle and in a drain', async () => {
    for (const ends of ['idle', 'drain'] as const) {
      const started = await open({ timeouts: { keepAliveMs: ends === 'idle' ? 100 : 60_000, lingerMs: 50 } }, true);
      started.client.socket.write(Buffer.concat([preface, frame(types.headers, endStream | endHeaders, 1, head('GET'))]));
      await eventually(() => started.client.received.includes('app'));
      if (ends === 'drain') await started.gateway.drain();
      await nothingIsLeft(started);
      expect(started.client.closed).toBe(false);
    }
  });

  it('that does not speak HTTP/2 is ended', async () => {
    const started = await open();
    started.client.socket.write(`GET / HTTP/1.1\r\nHost: ${acme}\r\n\r\n`);
    await eventually(() => started.client.closed);
    await nothingIsLeft(started);
  });
});
