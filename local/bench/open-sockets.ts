// WebSockets that stay open while something else happens, each with a message a second: none may break.
import { once } from 'node:events';
import { WebSocket } from 'ws';

const messagePauseMs = 1_000;
const payload = 'a message of 64 bytes '.padEnd(64, '.');
/** Until what was said last has come back. */
const settleMs = 1_000;

export interface OpenSocketsOptions {
  readonly port: number;
  /** One for each. */
  readonly hosts: readonly string[];
}

export class OpenSockets implements AsyncDisposable {
  echoes = 0;
  readonly #sockets: readonly WebSocket[];
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  #broken = 0;

  private constructor(sockets: readonly WebSocket[]) {
    this.#sockets = sockets;
    for (const socket of sockets) {
      socket.on('message', () => (this.echoes += 1));
      socket.on('close', () => (this.#broken += 1));
    }
    // Spread over the time, as those of many people are.
    let turn = 0;
    this.#timer = setInterval(() => {
      for (let index = turn++ % 10; index < sockets.length; index += 10) {
        if (sockets[index]?.readyState !== WebSocket.OPEN) continue;
        sockets[index]?.send(payload);
        this.#sent += 1;
      }
    }, messagePauseMs / 10);
  }

  /** @throws Error where one is refused. */
  static async open({ port, hosts }: OpenSocketsOptions): Promise<OpenSockets> {
    const sockets = hosts.map((host) => new WebSocket(`ws://127.0.0.1:${port}/socket`, { headers: { host } }));
    await Promise.all(sockets.map((socket) => once(socket, 'open')));
    return new OpenSockets(sockets);
  }

  /** Ends them; says what was not as it should be. */
  async close(): Promise<readonly string[]> {
    clearInterval(this.#timer);
    for (let waitedMs = 0; this.echoes < this.#sent && waitedMs < settleMs; waitedMs += 10)
      await new Promise((wake) => setTimeout(wake, 10));
    const [broken, missing] = [this.#broken, this.#sent - this.echoes];
    for (const socket of this.#sockets) socket.terminate();
    return [
      ...(broken > 0 ? [`${broken} of ${this.#sockets.length} WebSockets were closed`] : []),
      ...(missing > 0 ? [`${missing} messages of WebSockets did not come back`] : []),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
