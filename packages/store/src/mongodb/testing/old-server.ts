// A server that says of itself what a test wants, and can do nothing else: for versions that nobody can install any more.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { BSON, type Document } from 'mongodb';

export interface OldServer extends AsyncDisposable {
  readonly url: string;
}

const opReply = 1;
const opQuery = 2004;
const opMsg = 2013;

/** `hello` and `buildInfo` are added to what it answers to any command. */
export async function startOldServer(answers: { readonly hello?: Document; readonly buildInfo?: Document }): Promise<OldServer> {
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let buffered = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      while (buffered.length >= 4 && buffered.length >= buffered.readInt32LE(0)) {
        const message = buffered.subarray(0, buffered.readInt32LE(0));
        buffered = buffered.subarray(message.length);
        socket.write(reply(message, answers));
      }
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    url: `mongodb://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      for (const socket of sockets) socket.destroy();
      await once(listener, 'close');
    },
  };
}

function reply(message: Buffer, { hello, buildInfo }: { readonly hello?: Document; readonly buildInfo?: Document }): Buffer {
  const answer = BSON.serialize({
    ok: 1,
    isWritablePrimary: true,
    helloOk: true,
    minWireVersion: 0,
    maxWireVersion: 21,
    maxBsonObjectSize: 16_777_216,
    maxMessageSizeBytes: 48_000_000,
    maxWriteBatchSize: 100_000,
    ...hello,
    ...buildInfo,
  });
  const isQuery = message.readInt32LE(12) === opQuery;
  // What precedes the document: flags, cursor and counts of the old protocol, or flags and the kind of a section.
  const preface = Buffer.alloc(isQuery ? 20 : 5);
  if (isQuery) preface.writeInt32LE(1, 16);
  const header = Buffer.alloc(16);
  header.writeInt32LE(header.length + preface.length + answer.length, 0);
  header.writeInt32LE(message.readInt32LE(4), 8);
  header.writeInt32LE(isQuery ? opReply : opMsg, 12);
  return Buffer.concat([header, preface, answer]);
}
