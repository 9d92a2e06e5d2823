// The clients of the WebSocket measurements: `node websocket-client.ts HOST PORT HOSTS CONNECTIONS SECONDS` prints what they saw.
import { connect, type Socket } from 'node:net';
import { clientFrame, serverFrame } from '../websocket-frames.ts';
import { hostName } from '../world.ts';

const [host = '', port = 0, hosts = 0, connections = 0, seconds = 0] = process.argv
  .slice(2)
  .map((word, index) => (index === 0 ? word : Number(word))) as [string, number, number, number, number];

const answerTimeoutMs = 5_000;

let echoes = 0;
let failed = 0;

/** A client whose connection has become a WebSocket. */
function open(number: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    const fail = (): void => {
      failed += 1;
      socket.destroy();
      resolve(socket);
    };
    const handshake = `GET /socket HTTP/1.1\r\nHost: ${hostName(number % hosts)}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
    socket.write(handshake);
    socket.once('error', fail);
    socket.setTimeout(answerTimeoutMs, fail);
    let head = '';
    socket.on('data', function read(bytes: Buffer) {
      head += bytes.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket
        .off('data', read)
        .off('error', fail)
        .on('error', () => socket.destroy())
        .setTimeout(0);
      if (head.startsWith('HTTP/1.1 101 ')) resolve(socket);
      else fail();
    });
  });
}

/** Sends a message, and another for each that comes back. */
function converse(socket: Socket): void {
  let waitingBytes = 0;
  socket.once('close', () => (failed += 1));
  socket.on('data', (bytes: Buffer) => {
    if (waitingBytes === 0 && !serverFrame.subarray(0, bytes.length).equals(bytes.subarray(0, serverFrame.length))) socket.destroy();
    for (waitingBytes += bytes.length; waitingBytes >= serverFrame.length; waitingBytes -= serverFrame.length) {
      echoes += 1;
      socket.write(clientFrame);
    }
  });
  socket.write(clientFrame);
}

const sockets = await Promise.all(Array.from({ length: connections }, (_, number) => open(number)));
const startedMs = performance.now();
for (const socket of sockets) if (!socket.destroyed) converse(socket);
setTimeout(() => {
  process.stdout.write(JSON.stringify({ echoes, seconds: (performance.now() - startedMs) / 1_000, failed }));
  for (const socket of sockets)
    socket
      .removeAllListeners()
      .on('error', () => {})
      .destroy();
}, seconds * 1_000);
