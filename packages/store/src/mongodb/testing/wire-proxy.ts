// Stands between the driver and a server, and does to chosen commands what a bad day does: holds them up, or loses their replies.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { BSON } from 'mongodb';

/** A command as the driver sends it: `insert` into the collection `journal_log`. */
export interface Command {
  readonly name: string;
  readonly collection: string;
}

export interface Held {
  /** Resolves when the command has arrived; it goes no further until `release`. */
  readonly arrived: Promise<void>;
  /** Lets it go on; with `losesReply`, its connection breaks instead of bringing the reply. */
  release(how?: { readonly losesReply: boolean }): void;
}

interface Rule extends Command {
  /** Called with the command's connection and message; the command goes on when it resolves. */
  readonly apply: (connection: Connection, message: Buffer) => Promise<void>;
}

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
  /** The next reply ends the connection. */
  losesReply: boolean;
}

const opMsg = 2013;

/** Each rule is for one command, and the first that fits is taken: so rules for the same command happen in their order. */
export class WireProxy {
  readonly #listener: Server;
  readonly #sockets = new Set<Socket>();
  #rules: Rule[] = [];

  private constructor(listener: Server) {
    this.#listener = listener;
  }

  static async start(target: { readonly host: string; readonly port: number }): Promise<WireProxy> {
    const listener = createServer();
    const proxy = new WireProxy(listener);
    listener.on('connection', (client) => proxy.#serve(client, connect(target.port, target.host)));
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return proxy;
  }

  get url(): string {
    return `mongodb://127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  /** Holds the next such command up. */
  holdNext(name: string, collection: string): Held {
    const arrived = Promise.withResolvers<void>();
    const released = Promise.withResolvers<boolean>();
    const apply = async (connection: Connection): Promise<void> => {
      arrived.resolve();
      connection.losesReply = await released.promise;
    };
    this.#rules.push({ name, collection, apply });
    return { arrived: arrived.promise, release: ({ losesReply } = { losesReply: false }) => released.resolve(losesReply) };
  }

  /** The next such command is carried out, and its connection breaks instead of bringing the reply. */
  loseNextReply(name: string, collection: string): void {
    const apply = async (connection: Connection): Promise<void> => {
      connection.losesReply = true;
    };
    this.#rules.push({ name, collection, apply });
  }

  /** The next such command, as it is sent. */
  async next(name: string, collection: string): Promise<BSON.Document> {
    return await new Promise((resolve) => {
      const apply = async (_: Connection, message: Buffer): Promise<void> => resolve(bodyOf(message));
      this.#rules.push({ name, collection, apply });
    });
  }

  async close(): Promise<void> {
    this.#listener.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#listener, 'close');
  }

  #serve(client: Socket, server: Socket): void {
    const connection: Connection = { client, server, losesReply: false };
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    server.on('data', (chunk) => {
      if (connection.losesReply) end();
      else client.write(chunk);
    });
    let buffered = Buffer.alloc(0);
    let forwarding = Promise.resolve();
    client.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      while (buffered.length >= 4 && buffered.length >= buffered.readInt32LE(0)) {
        const message = buffered.subarray(0, buffered.readInt32LE(0));
        buffered = buffered.subarray(message.length);
        forwarding = forwarding.then(() => this.#forward(connection, message));
      }
    });
  }

  async #forward(connection: Connection, message: Buffer): Promise<void> {
    const command = commandOf(message);
    const rule = this.#rules.find(({ name, collection }) => name === command?.name && collection === command.collection);
    if (rule !== undefined) {
      this.#rules = this.#rules.filter((other) => other !== rule);
      await rule.apply(connection, message);
    }
    connection.server.write(message);
  }
}

/** Of a message with one body and perhaps documents behind it. */
function bodyOf(message: Buffer): BSON.Document {
  return BSON.deserialize(message.subarray(21, 21 + message.readInt32LE(21)));
}

/** The first field of a message's body: in MongoDB's protocol the command and what it is for. */
function commandOf(message: Buffer): Command | undefined {
  // Header, flags, the kind of the first section, the size of its document, the type of its first field.
  if (message.readInt32LE(12) !== opMsg || message[20] !== 0 || message[25] !== 2) return undefined;
  const nameEnd = message.indexOf(0, 26);
  const textStart = nameEnd + 5;
  return { name: message.toString('utf8', 26, nameEnd), collection: message.toString('utf8', textStart, message.indexOf(0, textStart)) };
}
