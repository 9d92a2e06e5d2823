// WebSockets between the ws package's client and server, through the gateway: what one of them sends is what the other gets.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type ClientOptions, type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import {
  describeEngines,
  eventually,
  metricValue,
  onTestEnd,
  type StartedGateway,
  settled,
  startApp,
  startGateway,
} from '../../testing/fixture.ts';

interface Pair extends StartedGateway {
  readonly client: WebSocket;
  readonly server: WebSocket;
}

describeEngines(() => {
  async function startServer(
    options: ServerOptions = {},
    gateway: Parameters<typeof startGateway>[1] = {},
  ): Promise<StartedGateway & { sockets: WebSocketServer }> {
    const app = await startApp((_, response) => response.end('plain'));
    const sockets = new WebSocketServer({ ...options, server: app.server });
    onTestEnd(async () => {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    });
    return { ...(await startGateway([{ host: 'acme.test', backends: [app.address] }], gateway)), sockets };
  }

  async function open(port: number, protocols: readonly string[] = [], options: ClientOptions = {}): Promise<WebSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, [...protocols], { ...options, headers: { host: 'acme.test' } });
    onTestEnd(async () => socket.terminate());
    await once(socket, 'open');
    return socket;
  }

  async function openPair(
    options: { server?: ServerOptions; client?: ClientOptions; protocols?: readonly string[] } = {},
    gateway: Parameters<typeof startGateway>[1] = {},
  ): Promise<Pair> {
    const { sockets, ...started } = await startServer(options.server, gateway);
    const connected = once(sockets, 'connection');
    const client = await open(started.port, options.protocols, options.client);
    const [server] = await connected;
    return { ...started, client, server };
  }

  /** The next message of a socket, as text or bytes. */
  async function message(socket: WebSocket): Promise<string | Buffer> {
    const [data, isBinary] = await once(socket, 'message');
    return isBinary ? data : String(data);
  }

  const directions = ['client', 'server'] as const;
  const sides = ({ client, server }: Pair, from: (typeof directions)[number]) => {
    return from === 'client' ? { sender: client, receiver: server } : { sender: server, receiver: client };
  };

  describe.each(directions)('what the %s sends', (from) => {
    it('arrives in order and whole: text, bytes, nothing, and every length that is framed in another way', async () => {
      const { sender, receiver } = sides(await openPair(), from);
      const got: (string | Buffer)[] = [];
      receiver.on('message', (data, isBinary) => got.push(isBinary ? (data as Buffer) : String(data)));
      const sent = [
        'grüße',
        '',
        Buffer.alloc(0),
        ...[125, 126, 127, 65_535, 65_536, 1_048_576].flatMap((length) => [randomBytes(length), 'x'.repeat(length)]),
      ];
      for (const one of sent) sender.send(one);
      await eventually(() => got.length === sent.length);
      for (const [i, one] of sent.entries()) expect(Buffer.from(got[i] ?? 'none').equals(Buffer.from(one))).toBe(true);
    });

    it('in fragments is one message, also with a ping between them', async () => {
      const { sender, receiver } = sides(await openPair(), from);
      let pings = 0;
      receiver.on('ping', () => (pings += 1));
      const got = message(receiver);
      for (const part of ['one ', 'two ', 'three ']) {
        sender.send(part, { fin: false });
        sender.ping('between');
      }
      sender.send('four', { fin: true });
      expect([await got, pings]).toEqual(['one two three four', 3]);
    });

    it('as a ping is answered with its payload', async () => {
      const { sender } = sides(await openPair(), from);
      for (const payload of ['', 'here?', 'x'.repeat(125)]) {
        const pong = once(sender, 'pong');
        sender.ping(payload);
        expect(String((await pong)[0])).toBe(payload);
      }
    });

    it.each([
      [1000, ''],
      [1001, 'going away'],
      [1011, 'x'.repeat(123)],
      [3000, 'grüße'],
      [4999, 'own'],
    ])('as close %i arrives as that, and the gateway counts the end', async (code, reason) => {
      const pair = await openPair();
      const { sender, receiver } = sides(pair, from);
      const closed = Promise.all([once(receiver, 'close'), once(sender, 'close')]);
      sender.close(code, reason);
      for (const [gotCode, gotReason] of await closed) expect([gotCode, String(gotReason)]).toEqual([code, reason]);
      await eventually(async () => (await metricValue(pair.metrics, 'burgage_gateway_tunnels')) === 0);
      expect(await metricValue(pair.metrics, 'burgage_gateway_terminations_total', { reason: 'tunnel_closed' })).toBe(1);
    });

    it('ends with a broken connection where it does: nobody is told that it closed well', async () => {
      const pair = await openPair();
      const { sender, receiver } = sides(pair, from);
      const closed = once(receiver, 'close');
      sender.terminate();
      expect((await closed)[0]).toBe(1006);
      await eventually(async () => (await metricValue(pair.metrics, 'burgage_gateway_tunnels')) === 0);
    });

    it('waits with the sender while the receiver reads nothing: memory stays bounded, and all of it arrives then', async () => {
      const { sender, receiver } = sides(await openPair(), from);
      receiver.pause();
      const piece = randomBytes(1_000_000);
      const count = 60;
      for (let i = 0; i < count; i++) sender.send(piece);
      await settled(() => sender.bufferedAmount);
      expect(sender.bufferedAmount).toBeGreaterThan(30_000_000);
      let whole = 0;
      receiver.on('message', (data) => {
        if ((data as Buffer).equals(piece)) whole += 1;
      });
      receiver.resume();
      await eventually(() => whole === count);
    });
  });

  it('agree on what they would without the gateway: subprotocol, compression, and fields of the app', async () => {
    const handleProtocols = (offered: Set<string>): string => [...offered].at(-1) ?? '';
    const pair = await openPair({
      server: { perMessageDeflate: { threshold: 0 }, handleProtocols },
      client: { perMessageDeflate: { threshold: 0 } },
      protocols: ['chat.v1', 'chat.v2'],
    });
    expect([pair.client.protocol, pair.client.extensions]).toEqual(['chat.v2', 'permessage-deflate']);
    for (const from of directions) {
      const { sender, receiver } = sides(pair, from);
      for (const text of ['short', 'again and '.repeat(100_000)]) {
        const got = message(receiver);
        sender.send(text);
        expect((await got) === text).toBe(true);
      }
    }
  });

  it('are told of a frame that breaks the protocol by each other, not by the gateway', async () => {
    const pair = await openPair();
    const { client, server } = pair;
    const refused = once(server, 'error');
    const closed = once(client, 'close');
    // A reserved opcode, masked.
    const raw = (client as unknown as { _socket: Duplex })._socket;
    raw.write(Buffer.from([0x83, 0x80, 0, 0, 0, 0]));
    expect((await refused)[0].code).toBe('WS_ERR_INVALID_OPCODE');
    expect((await closed)[0]).toBe(1002);
  });

  it('stay open beyond the idle time by their pings alone', async () => {
    const { client, server, metrics } = await openPair({}, { timeouts: { streamIdleMs: 1_000 } });
    let pongs = 0;
    client.on('pong', () => {
      pongs += 1;
      if (pongs < 8) setTimeout(() => client.ping(), 200);
    });
    client.ping();
    await eventually(() => pongs === 8);
    const got = message(server);
    client.send('still here');
    expect(await got).toBe('still here');
    expect(await metricValue(metrics, 'burgage_gateway_tunnels')).toBe(1);
  });

  it('are five hundred at once, each with its own answers', { timeout: 60_000 }, async () => {
    const { port, sockets, metrics } = await startServer();
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`answer to ${data}`)));
    const clients = await Promise.all(Array.from({ length: 500 }, () => open(port)));
    expect(await metricValue(metrics, 'burgage_gateway_tunnels')).toBe(500);
    for (let round = 0; round < 3; round++) {
      const answers = clients.map(message);
      for (const [i, client] of clients.entries()) client.send(`${round} of ${i}`);
      expect(await Promise.all(answers)).toEqual(clients.map((_, i) => `answer to ${round} of ${i}`));
    }
    for (const client of clients) client.close();
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_tunnels')) === 0);
    expect(await metricValue(metrics, 'burgage_gateway_terminations_total', { reason: 'tunnel_closed' })).toBe(500);
  });

  it('go on while the gateway drains; it waits for those that close, and cuts the rest in the end', async () => {
    const { port, sockets, metrics, gateway } = await startServer({}, { timeouts: { drainMs: 1_000 } });
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))));
    const [leaving, staying] = [await open(port), await open(port)];
    const drained = gateway.drain();
    for (const socket of [leaving, staying]) {
      const got = message(socket);
      socket.send('during the drain');
      expect(await got).toBe('during the drain');
    }
    leaving.close(1000);
    expect((await once(leaving, 'close'))[0]).toBe(1000);
    const cut = once(staying, 'close');
    await drained;
    expect((await cut)[0]).toBe(1006);
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_terminations_total', { reason: 'cut' })) === 1);
    expect(await metricValue(metrics, 'burgage_gateway_terminations_total', { reason: 'tunnel_closed' })).toBe(1);
  });

  it('are no reason to wait any longer for a drain once all have closed', async () => {
    const { client, gateway } = await openPair({}, { timeouts: { drainMs: 3_600_000 } });
    const drained = gateway.drain();
    client.close();
    await drained;
  });
}, 2);
