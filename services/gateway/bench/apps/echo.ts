// A WebSocket app that answers each message of the measurement with itself: `node echo.ts PORT`.
import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { clientFrame, serverFrame } from '../websocket-frames.ts';

const loopback = '127.0.0.1';
const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

function serve(socket: Socket): void {
  let head: string | undefined = '';
  let waitingBytes = 0;
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes: Buffer) => {
    if (head !== undefined) {
      head += bytes.toString('latin1');
      // Nobody sends a message before the answer.
      if (!head.endsWith('\r\n\r\n')) return;
      const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1] ?? '';
      const accept = createHash('sha1')
        .update(key + guid)
        .digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      head = undefined;
      return;
    }
    for (waitingBytes += bytes.length; waitingBytes >= clientFrame.length; waitingBytes -= clientFrame.length) socket.write(serverFrame);
  });
}

createServer(serve).listen(Number(process.argv[2]), loopback);
