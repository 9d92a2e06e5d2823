// HTTP/2 frame by frame: windows, ends of streams, and what a client may not do, each to the letter of RFC 9113.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { acme, makeCertificates } from '../../testing/certificates.ts';
import { eventually, metricValue, type StartedGateway, settled, startApp, startGateway, startTcp } from '../../testing/fixture.ts';
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
import { errorCodes, flags, settingIds } from '../http2/codes.ts';

type App = Parameters<typeof startApp>[0];

interface Opened extends StartedGateway {
  readonly client: FrameClient;
  /** Sends frames in one piece. */
  readonly send: (...frames: readonly Buffer[]) => void;
}

async function open(
  app: App | string,
  options: Parameters<typeof startGateway>[1] = {},
  ownSettings: Buffer = settings(),
): Promise<Opened> {
  const certificates = await makeCertificates();
  await certificates.put(acme);
  const address = typeof app === 'string' ? app : (await startApp(app)).address;
  const started = await startGateway([{ host: acme, backends: [address] }], {
    httpsPort: 0,
    certificates: certificates.folder,
    ...options,
  });
  const client = await connectFrameClient(started.httpsPort, certificates.ca);
  client.socket.write(Buffer.concat([preface.subarray(0, 24), ownSettings]));
  await eventually(() => client.framesOf(0, types.settings).length === 2);
  return { ...started, client, send: (...frames) => void client.socket.write(Buffer.concat(frames)) };
}

function settings(...pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  for (const [index, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, index * 6);
    payload.writeUInt32BE(value, index * 6 + 2);
  }
  return frame(types.settings, 0, 0, payload);
}

function words(type: number, stream: number, ...payload: readonly number[]): Buffer {
  const bytes = Buffer.alloc(payload.length * 4);
  for (const [index, word] of payload.entries()) bytes.writeUInt32BE(word, index * 4);
  return frame(type, 0, stream, bytes);
}

const grow = (stream: number, bytes: number): Buffer => words(types.windowUpdate, stream, bytes);
const get = (stream: number): Buffer => frame(types.headers, endHeaders | endStream, stream, head('GET'));
const post = (stream: number, ...fields: Parameters<typeof head>[1][]): Buffer =>
  frame(types.headers, endHeaders, stream, head('POST', ...fields));
const sends =
  (body: string): App =>
  (_, response) =>
    void response.end(body);
const echo: App = (request, response) => void request.pipe(response);

describe('what is sent on a connection of HTTP/2', () => {
  it('in one turn goes out in one piece', async () => {
    const { client, send } = await open(echo);
    const before = client.reads;
    send(...Array.from({ length: 20 }, (_, index) => words(types.ping, 0, 0, index)));
    await eventually(() => client.framesOf(0, types.ping).length === 20);
    expect(client.reads - before).toBe(1);
    expect(client.framesOf(0, types.ping).map(({ payload, flags: bits }) => [bits, payload.readUInt32BE(4)])).toEqual(
      Array.from({ length: 20 }, (_, index) => [flags.ack, index]),
    );
  });

  it('is an answer in two frames, the second of which ends the stream', async () => {
    const { client, send } = await open(sends('body'));
    send(get(1));
    await eventually(() => client.dataOf(1).isWhole);
    const frames = client.frames.filter(({ stream }) => stream === 1);
    expect(frames.map(({ type, flags: bits }) => [type, bits])).toEqual([
      [types.headers, endHeaders],
      [types.data, endStream],
    ]);
  });

  it('begins with what it takes: streams at once, windows, and how large a head may be', async () => {
    const { client } = await open(sends(''));
    const [{ type, payload: bytes } = { type: undefined, payload: Buffer.alloc(0) }] = client.frames;
    expect(type).toBe(types.settings);
    const told = new Map<number, number>();
    for (let at = 0; at < bytes.length; at += 6) told.set(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
    expect(Object.fromEntries(told)).toEqual({
      [settingIds.maxConcurrentStreams]: 100,
      [settingIds.initialWindowSize]: 256 * 1024,
      [settingIds.maxHeaderListSize]: 16 * 1024 + 100 * 32,
    });
    expect(client.framesOf(0, types.windowUpdate)[0]?.payload.readUInt32BE(0)).toBe(1024 * 1024 - 65_535);
  });
});

describe('the windows of a client', () => {
  it('are kept to the byte, of a stream and of the connection, and answers go on where they grow', async () => {
    const { client, send } = await open(sends('a'.repeat(100)), {}, settings([settingIds.initialWindowSize, 10]));
    send(get(1));
    await eventually(() => client.dataOf(1).body.length === 10);
    send(grow(1, 1), grow(1, 4));
    await eventually(() => client.dataOf(1).body.length === 15);
    // Below nothing now: five have to be given before anything goes out.
    send(settings([settingIds.initialWindowSize, 5]), grow(1, 5), words(types.ping, 0, 0, 1));
    await eventually(() => client.framesOf(0, types.ping).length === 1);
    expect(client.dataOf(1)).toEqual({ body: 'a'.repeat(15), isWhole: false });
    send(grow(1, 1_000));
    await eventually(() => client.dataOf(1).isWhole);
    expect(client.dataOf(1).body).toBe('a'.repeat(100));
  });

  it('of the connection are shared by its streams, each in its turn', async () => {
    const { client, send } = await open(sends('a'.repeat(100_000)), {}, settings([settingIds.initialWindowSize, 2 ** 31 - 1]));
    send(get(1), get(3), get(5));
    const lengths = () => [1, 3, 5].map((stream) => client.dataOf(stream).body.length);
    const sum = () => lengths().reduce((total, length) => total + length, 0);
    await eventually(() => sum() === 65_535);
    await eventually(() => client.framesOf(5, types.headers).length === 1);
    const before = lengths();
    let given = 65_535;
    for (let turn = 0; turn < 9; turn++) {
      send(grow(0, 1_000));
      given += 1_000;
      await eventually(() => sum() === given);
    }
    expect(lengths().map((length, index) => length - (before[index] ?? 0))).toEqual([3_000, 3_000, 3_000]);
    send(grow(0, 1_000_000));
    await eventually(() => [1, 3, 5].every((stream) => client.dataOf(stream).isWhole));
  });

  it('are no reason to take more of many answers than it reads, when all of them open at once', async () => {
    const streams = Array.from({ length: 100 }, (_, index) => 2 * index + 1);
    const piece = Buffer.alloc(1024 * 1024);
    const apps: Socket[] = [];
    const app = await startTcp((socket) => {
      apps.push(socket);
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${16 * piece.length}\r\n\r\n`);
        for (let sent = 0; sent < 16; sent++) socket.write(piece);
      });
    });
    const { client, send, metrics } = await open(app.address, {}, settings([settingIds.initialWindowSize, 0]));
    send(...streams.map(get));
    // As much of each waits for the gateway as the system keeps.
    const taken = () => apps.reduce((total, { bytesWritten, writableLength }) => total + bytesWritten - writableLength, 0);
    await settled(taken);
    expect(apps).toHaveLength(streams.length);
    client.socket.pause();
    send(grow(0, 2 ** 31 - 1 - 65_535), settings([settingIds.initialWindowSize, 2 ** 31 - 1]));
    await settled(taken);
    client.socket.destroy();
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_requests_in_flight')) === 0);
    // What is read of an app at once.
    const bytesMax = streams.length * 256 * 1024;
    expect(await metricValue(metrics, 'burgage_gateway_body_bytes_total', { direction: 'out' })).toBeLessThan(bytesMax);
  });

  it.each([
    ['in two parts', 'HTTP/1.1 200 OK\r\nContent-', 'Length: 5\r\n\r\nsmall'],
    ['behind a hint', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall'],
  ])('leave no answer behind whose head came %s while its connection was full', async (_, first, second) => {
    const most = 2 ** 31 - 1 - 65_535;
    const bytes = 12 * 1024 * 1024;
    const apps: Socket[] = [];
    const app = await startTcp((socket) => {
      apps.push(socket);
      socket.once('data', () => {
        if (apps.length > 1) socket.write(first);
        else socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`), Buffer.alloc(bytes)]));
      });
    });
    const { client, send, metrics } = await open(app.address, {}, settings([settingIds.initialWindowSize, most]));
    const backlog = () => metricValue(metrics, 'burgage_gateway_backlog_bytes');
    client.socket.pause();
    send(grow(0, most), get(1));
    await settled(backlog);
    const before = await backlog();
    send(get(3));
    await eventually(async () => (await backlog()) > before);
    apps[1]?.write(second);
    client.socket.resume();
    await eventually(() => client.dataOf(3).isWhole);
    expect(client.dataOf(3).body).toBe('small');
  });

  it('never become larger than a window can be', async () => {
    for (const [frames, stream] of [
      [[grow(0, 2 ** 31 - 1)], 0],
      [[grow(1, 2 ** 31 - 1)], 1],
      [[grow(1, 2 ** 31 - 1 - 20), settings([settingIds.initialWindowSize, 65_555])], 0],
    ] as const) {
      const { client, send } = await open(
        (await startTcp((socket) => socket.resume())).address,
        {},
        settings([settingIds.initialWindowSize, 20]),
      );
      send(get(1), ...frames);
      await eventually(() => (stream === 0 ? client.goAway : client.resetOf(stream)) === errorCodes.flowControlError);
    }
  });
});

/** What a stream, or the connection, has been given since it began. */
function given(client: FrameClient, stream: number): number {
  return client.framesOf(stream, types.windowUpdate).reduce((total, { payload }) => total + payload.readUInt32BE(0), 0);
}

describe('the window of a body', () => {
  it('is what its client may send ahead, and no more of it is taken', async () => {
    const app = await startTcp((socket) => socket.pause());
    const { client, send, metrics } = await open(app.address);
    const piece = frame(types.data, 0, 1, Buffer.alloc(16_384));
    send(post(1));
    let sent = 0;
    const room = () => 256 * 1024 + given(client, 1) - sent;
    while (room() > 0) {
      for (; room() >= 16_384; sent += 16_384) send(piece);
      // Until the connection to the app is full.
      await settled(() => given(client, 1));
      if (room() < 16_384) break;
    }
    expect(client.resetOf(1)).toBeUndefined();
    send(piece);
    await eventually(() => client.resetOf(1) === errorCodes.flowControlError);
    expect(client.goAway).toBeUndefined();
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_requests_in_flight')) === 0);
  });

  it('is given back for what comes of a stream that was refused', async () => {
    const { client, send } = await open(echo, { limits: { bodyBytesMax: 1_000 } });
    const atFirst = given(client, 0);
    send(post(1), frame(types.data, 0, 1, Buffer.alloc(2_000)));
    await eventually(() => client.resetOf(1) === errorCodes.noError);
    for (let sent = 0; sent < 80; sent++) send(frame(types.data, 0, 1, Buffer.alloc(16_384)));
    await eventually(() => given(client, 0) - atFirst >= 1024 * 1024);
    expect(client.goAway).toBeUndefined();
  });

  it('is given back for padding', async () => {
    const { client, send } = await open((request, response) => request.resume().on('end', () => response.end('app')));
    const padding = Buffer.alloc(256);
    padding[0] = 254;
    const mostlyPadding = Buffer.concat(Array.from({ length: 512 }, () => frame(types.data, flags.padded, 1, padding)));
    send(post(1));
    for (let sent = 0; sent < 10; sent++) {
      await eventually(() => 256 * 1024 + given(client, 1) >= (sent + 1) * 512 * 256);
      send(mostlyPadding);
    }
    send(frame(types.data, endStream, 1));
    await eventually(() => client.dataOf(1).body === 'app');
  });
});

describe('a client of HTTP/2', () => {
  it('whose body is not as long as it says is reset', async () => {
    const { client, send } = await open(echo);
    send(post(1, ['content-length', '3']), frame(types.data, endStream, 1, Buffer.from('ab')));
    send(post(3, ['content-length', '3']), frame(types.data, 0, 3, Buffer.from('abcd')));
    send(frame(types.headers, endHeaders | endStream, 5, head('POST', ['content-length', '3'])));
    await eventually(() => [1, 3, 5].every((stream) => client.resetOf(stream) === errorCodes.protocolError));
  });

  it('may send the end of a body apart from it', async () => {
    const { client, send } = await open(echo);
    send(post(1, ['content-length', '3']), frame(types.data, 0, 1, Buffer.from('abc')));
    await eventually(() => client.dataOf(1).body === 'abc');
    send(frame(types.data, endStream, 1));
    send(post(3), frame(types.data, 0, 3, Buffer.from('abc')), frame(types.data, endStream, 3));
    await eventually(() => client.dataOf(3).isWhole);
    expect(client.dataOf(3).body).toBe('abc');
    expect(client.resetOf(3)).toBeUndefined();
  });

  it('may send its body a byte at a time, before there is anybody who takes it', async () => {
    const { client, send } = await open(echo, {}, settings([settingIds.initialWindowSize, 100_000]));
    const body = Array.from({ length: 20_000 }, (_, index) => String.fromCharCode(0x61 + (index % 26))).join('');
    send(post(1), ...Array.from(body, (letter) => frame(types.data, 0, 1, Buffer.from(letter))), frame(types.data, endStream, 1));
    await eventually(() => client.dataOf(1).isWhole);
    expect(client.dataOf(1).body).toBe(body);
  });

  it('has trailers that are fields, and few, and end the stream', async () => {
    const { client, send } = await open(echo);
    const trailers = (stream: number, bits: number, ...fields: readonly Buffer[]): Buffer =>
      frame(types.headers, endHeaders | bits, stream, Buffer.concat(fields));
    send(post(1), trailers(1, 0, field('x-a', 'b')));
    send(post(3), trailers(3, endStream, field(':path', '/')));
    send(post(5), trailers(5, endStream, field('x-a', 'b\r\nc: d')));
    await eventually(() => [1, 3, 5].every((stream) => client.resetOf(stream) === errorCodes.protocolError));
    send(post(7), trailers(7, endStream, ...Array.from({ length: 40 }, () => field('x-a', 'b'))));
    await eventually(() => client.dataOf(7).body.includes('more than 32 trailers'));
    // One line that is larger than a whole head: in two frames, its length as HPACK has it.
    const large = Buffer.concat([Buffer.from([0, 1]), Buffer.from('a'), Buffer.from([0x7f, 0xa1, 0x9b, 0x01]), Buffer.alloc(20_000, 'b')]);
    send(post(9), frame(types.headers, endStream, 9, large.subarray(0, 16_000)));
    send(frame(types.continuation, endHeaders, 9, large.subarray(16_000)));
    await eventually(() => client.dataOf(9).body.includes('more than 32 trailers'));
  });

  it('begins no more streams than it may, and gets the next one when one has ended', async () => {
    const answers: (() => void)[] = [];
    const { client, send } = await open((_, response) => void answers.push(() => response.end('app')));
    for (let index = 0; index < 101; index++) send(get(2 * index + 1));
    await eventually(() => client.resetOf(201) === errorCodes.refusedStream && answers.length === 100);
    answers[0]?.();
    await eventually(() => client.frames.some(({ type, flags: bits }) => type === types.data && (bits & endStream) !== 0));
    send(get(203));
    await eventually(() => answers.length === 101);
  });

  it('whose head unpacked is larger than it was told gets an answer, and the next is understood', async () => {
    const { client, send } = await open(sends('app'));
    // One line is kept, and named ten thousand times.
    const kept = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('a'), Buffer.from([100]), Buffer.alloc(100, 'b')]);
    const bomb = Buffer.concat([head('GET'), kept, Buffer.alloc(10_000, 0xbe)]);
    send(frame(types.headers, endHeaders | endStream, 1, bomb));
    await eventually(() => client.dataOf(1).isWhole);
    expect(client.dataOf(1).body).toContain('head_too_large');
    send(frame(types.headers, endHeaders | endStream, 3, Buffer.concat([head('GET'), Buffer.from([0xbe])])));
    await eventually(() => client.dataOf(3).body === 'app');
  });

  it('is not held to what nobody knows: other frames, other settings, answers to no ping', async () => {
    const { client, send } = await open(sends('app'), {}, settings([0xabc, 1], [settingIds.headerTableSize, 0]));
    send(frame(0xfa, 0xff, 0, Buffer.from('x')), frame(0xfa, 0xff, 9, Buffer.from('x')), frame(types.ping, flags.ack, 0, Buffer.alloc(8)));
    send(frame(types.priority, 0, 1, Buffer.from([0, 0, 0, 3, 5])), get(1), get(3));
    await eventually(() => client.dataOf(1).body === 'app' && client.dataOf(3).body === 'app');
    expect(client.goAway).toBeUndefined();
  });

  it('that says goodbye gets what it has asked for', async () => {
    const answers: (() => void)[] = [];
    const { client, send } = await open((_, response) => void answers.push(() => response.end('app')));
    send(get(1));
    await eventually(() => answers.length === 1);
    send(frame(types.goAway, 0, 0, Buffer.alloc(8)));
    await eventually(() => client.goAway === errorCodes.noError);
    answers[0]?.();
    await once(client.socket, 'end');
    expect(client.dataOf(1)).toEqual({ body: 'app', isWhole: true });
  });

  /** A client that reads nothing, and has been sent as much as its socket takes. */
  const unreading = async () => {
    const app = await startTcp((socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${64 * 1024 * 1024}\r\n\r\n`);
        for (let sent = 0; sent < 64; sent++) socket.write(Buffer.alloc(1024 * 1024));
      });
    });
    const window = settings([settingIds.initialWindowSize, 2 ** 31 - 1]);
    const { client, send, metrics } = await open(app.address, { timeouts: { lingerMs: 50 } }, window);
    client.socket.pause();
    send(grow(0, 2 ** 31 - 1 - 65_535), get(1));
    await settled(() => client.socket.bytesWritten);
    const isOver = () => eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 0);
    return { client, send, metrics, isOver };
  };

  it('that reads slowly gets all that was sent before the goodbye', async () => {
    const { client, send, metrics, isOver } = await unreading();
    send(words(types.reset, 1, 8), frame(types.goAway, 0, 0, Buffer.alloc(8)));
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_requests_in_flight')) === 0);
    await settled(() => client.socket.bytesWritten);
    client.socket.resume();
    await once(client.socket, 'end');
    expect(client.goAway).toBe(errorCodes.noError);
    await isOver();
  });

  it('that does what it may not, and reads nothing, is not waited for', async () => {
    const { send, isOver } = await unreading();
    send(grow(0, 0));
    await isOver();
  });

  it('that begins a stream when it was told goodbye hears nothing of it, and nothing of it is forwarded', async () => {
    const answers: (() => void)[] = [];
    const started = await open((_, response) => void answers.push(() => response.end('app')));
    const { client, send } = started;
    send(get(1));
    await eventually(() => answers.length === 1);
    const drained = started.gateway.drain();
    await eventually(() => client.goAway === errorCodes.noError);
    expect(client.framesOf(0, types.goAway)[0]?.payload.readUInt32BE(0)).toBe(1);
    send(post(3), frame(types.data, endStream, 3, Buffer.from('late')), words(types.ping, 0, 0, 1));
    await eventually(() => client.framesOf(0, types.ping).length === 1);
    answers[0]?.();
    await drained;
    expect(client.frames.filter(({ stream }) => stream === 3)).toEqual([]);
    expect(client.dataOf(1)).toEqual({ body: 'app', isWhole: true });
    expect(answers).toHaveLength(1);
  });
});
