// A client of HTTP/2 that sends frames as they are made by hand, valid or not.
import { once } from 'node:events';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { acme } from './certificates.ts';
import { onTestEnd } from './fixture.ts';

/** Kinds of frames, as RFC 9113 numbers them. */
export const types = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const endStream = 1;
export const endHeaders = 4;

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A field as HPACK has it without any compression. */
export function field(name: string, value: string): Buffer {
  const [nameBytes, valueBytes] = [Buffer.from(name), Buffer.from(value)];
  return Buffer.concat([Buffer.from([0, nameBytes.length]), nameBytes, Buffer.from([valueBytes.length]), valueBytes]);
}

/** The head of a request for `/` of the one host, with further fields. */
export function head(method: string, ...fields: readonly (readonly [name: string, value: string])[]): Buffer {
  const request = [[':method', method] as const, [':scheme', 'https'] as const, [':authority', acme] as const, [':path', '/'] as const];
  return Buffer.concat([...request, ...fields].map(([name, value]) => field(name, value)));
}

/** What a client says first: its words and its settings. */
export const preface: Buffer = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(types.settings, 0, 0)]);

export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A client that sends what it is told to. */
export class FrameClient {
  readonly socket: TLSSocket;
  #received: Buffer = Buffer.alloc(0);
  /** How often something came. */
  reads = 0;
  closed = false;

  constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.reads += 1;
    });
    socket.on('error', () => {});
    socket.once('close', () => {
      this.closed = true;
    });
  }

  /** All that came and are whole. */
  get frames(): ReceivedFrame[] {
    const frames: ReceivedFrame[] = [];
    const bytes = this.#received;
    for (let at = 0; at + 9 <= bytes.length; ) {
      const end = at + 9 + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const [type = 0, flags = 0] = bytes.subarray(at + 3, at + 5);
      frames.push({ type, flags, stream: bytes.readUInt32BE(at + 5), payload: bytes.subarray(at + 9, end) });
      at = end;
    }
    return frames;
  }

  /** Of a stream, or of the connection, those of one kind. */
  framesOf(stream: number, type: number): ReceivedFrame[] {
    return this.frames.filter((one) => one.stream === stream && one.type === type);
  }

  /** The code of the last GOAWAY. */
  get goAway(): number | undefined {
    return this.framesOf(0, types.goAway).at(-1)?.payload.readUInt32BE(4);
  }

  /** The code with which a stream was reset. */
  resetOf(stream: number): number | undefined {
    return this.framesOf(stream, types.reset).at(-1)?.payload.readUInt32BE(0);
  }

  /** The data of a stream, and whether it has ended. */
  dataOf(stream: number): { readonly body: string; readonly isWhole: boolean } {
    const frames = this.framesOf(stream, types.data);
    return {
      body: frames.map(({ payload }) => payload.toString('latin1')).join(''),
      isWhole: frames.some(({ flags }) => (flags & endStream) !== 0),
    };
  }

  get received(): string {
    return this.#received.toString('latin1');
  }

  /** Sends what `make` gives, again and again, until the gateway has had enough. */
  async flood(make: (round: number) => Buffer): Promise<void> {
    for (let round = 0; !this.closed; round++) {
      if (!this.socket.write(make(round))) await Promise.race([once(this.socket, 'drain'), once(this.socket, 'close')]).catch(() => {});
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Connects to the one host by TLS. `allowHalfOpen`: it does not close its side because the other one is closed. */
export async function connectFrameClient(port: number, ca: string, allowHalfOpen = false): Promise<FrameClient> {
  // The types of node:tls do not know of one of them.
  const options = { port, host: '127.0.0.1', servername: acme, ca, ALPNProtocols: ['h2'], allowHalfOpen };
  const socket = connectTls(options);
  onTestEnd(async () => socket.destroy());
  await once(socket, 'secureConnect');
  return new FrameClient(socket);
}
