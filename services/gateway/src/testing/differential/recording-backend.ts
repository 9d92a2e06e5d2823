// A backend that notes the requests that reach it, byte by byte, and answers them as a case wants.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type Message, readMessage } from './message-reader.ts';

/** What it answers with, in Latin-1, and whether it ends the connection behind it. */
export interface RawAnswer {
  readonly text: string;
  readonly ends?: boolean;
}

/** Fits any method, and tells what comes from here. */
export const plainAnswer: RawAnswer = { text: 'HTTP/1.1 200 OK\r\nX-App: here\r\nContent-Length: 0\r\n\r\n' };

/** A request in mid-air has so long to come to its end once its client has gone. */
const settleMs = 1_000;

export class RecordingBackend {
  readonly #server: Server;
  readonly #open = new Map<Socket, string>();
  #requests: Message[] = [];
  #answer: (request: Message) => RawAnswer = () => plainAnswer;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#take(socket));
  }

  static async start(): Promise<RecordingBackend> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const backend = new RecordingBackend(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return backend;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on each whole request is answered so. */
  answerWith(answer: (request: Message) => RawAnswer): void {
    this.#answer = answer;
  }

  /** The whole requests since the last call, in their order, once none is on its way any more. */
  async taken(): Promise<readonly Message[]> {
    for (let waitedMs = 0; waitedMs < settleMs && this.#isAmid(); waitedMs += 5) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const [socket, unread] of this.#open) if (unread !== '') socket.destroy();
    const requests = this.#requests;
    this.#requests = [];
    return requests;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #isAmid(): boolean {
    return [...this.#open.values()].some((unread) => unread !== '');
  }

  #take(socket: Socket): void {
    this.#open.set(socket, '');
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#read(socket, (this.#open.get(socket) ?? '') + text));
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('close', () => this.#open.delete(socket));
  }

  #read(socket: Socket, text: string): void {
    let rest = text;
    for (let message = readMessage(rest); message !== undefined && rest !== ''; message = readMessage(rest)) {
      this.#requests.push(message);
      rest = rest.slice(message.length);
      const { text: answer, ends } = this.#answer(message);
      if (ends) socket.end(answer, 'latin1');
      else socket.write(answer, 'latin1');
    }
    this.#open.set(socket, rest);
  }
}
