// A wire between a gateway and a registry that can be cut, stalled, taken away and led elsewhere.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly gateway: Socket;
  readonly registry: Socket;
}

export class Wire {
  readonly address: string;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #target: string;
  #stalled = false;
  #away = false;
  #bytesLeft = Number.POSITIVE_INFINITY;

  private constructor(path: string, target: string) {
    this.address = `unix:${path}`;
    this.#target = target;
    this.#server = createServer((gateway) => this.#join(gateway));
  }

  /** A wire that is dialled at the socket `path` and ends at the socket `target`. */
  static async open(path: string, target: string): Promise<Wire> {
    const wire = new Wire(path, target);
    wire.#server.listen(path);
    await once(wire.#server, 'listening');
    return wire;
  }

  /** Ends every connection at once, whatever is under way. */
  cut(): void {
    for (const { gateway, registry } of this.#pairs) {
      gateway.destroy();
      registry.destroy();
    }
  }

  /** Cuts within what the registry says next: after this many bytes more. */
  cutAfter(bytes: number): void {
    this.#bytesLeft = bytes;
  }

  /** Cuts, and leads to another socket from now on. */
  leadTo(target: string): void {
    this.#target = target;
    this.cut();
  }

  /** Cuts, and lets nobody through until `mend`. */
  takeAway(): void {
    this.#away = true;
    this.cut();
  }

  /** The gateway hears nothing until `mend`; what the registry says stays in the pipe. */
  stall(): void {
    this.#stalled = true;
    for (const { registry } of this.#pairs) registry.pause();
  }

  /** Ends `takeAway`, `stall` and `cutAfter`. */
  mend(): void {
    this.#away = false;
    this.#stalled = false;
    this.#bytesLeft = Number.POSITIVE_INFINITY;
    for (const { registry } of this.#pairs) registry.resume();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  #join(gateway: Socket): void {
    if (this.#away) {
      gateway.destroy();
      return;
    }
    const registry = connect(this.#target);
    const pair = { gateway, registry };
    this.#pairs.add(pair);
    for (const socket of [gateway, registry]) {
      // Whoever dials sees the connection end.
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#pairs.delete(pair);
        gateway.destroy();
        registry.destroy();
      });
    }
    gateway.pipe(registry);
    registry.on('data', (bytes: Buffer) => this.#carry(pair, bytes));
    gateway.on('drain', () => {
      if (!this.#stalled) registry.resume();
    });
    if (this.#stalled) registry.pause();
  }

  #carry({ gateway, registry }: Pair, bytes: Buffer): void {
    if (bytes.length >= this.#bytesLeft) {
      const part = bytes.subarray(0, this.#bytesLeft);
      this.#bytesLeft = Number.POSITIVE_INFINITY;
      gateway.end(part);
      registry.destroy();
      return;
    }
    this.#bytesLeft -= bytes.length;
    if (!gateway.write(bytes)) registry.pause();
  }
}
