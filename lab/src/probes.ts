// Whether a server answers: one question over its own protocol, one bounded wait.
import { connect } from 'node:net';

const timeoutMs = 1_000;

/** Whether a GET of `url` is answered with 2xx. */
export async function httpAnswers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  await response.body?.cancel();
  return response.ok;
}

/** Whether `host:port` takes connections: all that can be asked of a server whose protocol is up to its configuration. */
export async function acceptsConnections(host: string, port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const end = (accepted: boolean): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

/** The first bytes that come from `host:port`, after `question` where there is one. Rejects when there are none. */
export async function firstBytes(host: string, port: number, question?: Uint8Array): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    socket.once('connect', () => question && socket.write(question));
    socket.once('data', (bytes: Buffer) => {
      socket.destroy();
      resolve(bytes);
    });
    socket.once('timeout', () => socket.destroy(new Error('it says nothing')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('it closed the connection')));
  });
}

const opMsg = 2013;
const requestId = 0x6c6162;

/** MongoDB's `{ping: 1, $db: "admin"}` as OP_MSG (MongoDB Wire Protocol). */
function mongoPing(): Buffer {
  const document = Buffer.concat([
    Buffer.from([0x10, ...Buffer.from('ping\0'), 1, 0, 0, 0]),
    Buffer.from([0x02, ...Buffer.from('$db\0'), 6, 0, 0, 0, ...Buffer.from('admin\0')]),
  ]);
  const message = Buffer.alloc(16 + 4 + 1 + 4 + document.length + 1);
  message.writeInt32LE(message.length, 0);
  message.writeInt32LE(requestId, 4);
  message.writeInt32LE(opMsg, 12);
  message.writeInt32LE(4 + document.length + 1, 21);
  document.copy(message, 25);
  return message;
}

/** Whether a MongoDB-compatible server answers a ping, be it with a refusal: who asks shows no credentials. */
export async function mongoAnswers(host: string, port: number): Promise<boolean> {
  const reply = await firstBytes(host, port, mongoPing());
  return reply.length >= 16 && reply.readInt32LE(8) === requestId;
}
