// Takes what a socket reads without memory for each read and without the way through its stream's queue, which both cost more than most of what is done with it.
import { Socket } from 'node:net';
import { Readable } from 'node:stream';

/** Takes what was read: `bytes` from `start` to before `end`, which are another's afterwards. */
export type Take = (bytes: Buffer, start: number, end: number) => void;

/** As much as Node has read at once where it is left to itself. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/** A copy of what was read, for whoever needs it later; in memory of its own, as nobody knows how long that is. */
export function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(end - start);
  bytes.copy(copy, 0, start, end);
  return copy;
}

/** What Node has for `onread`, which it offers to those alone who connect and not for those who are accepted. */
interface OnRead {
  readonly buffer: symbol;
  readonly callback: symbol;
}

const onRead = onReadOf(new Socket());
const { pause: pauseStream } = Readable.prototype as unknown as { pause: (this: Socket) => Socket };

function onReadOf(socket: Socket): OnRead | undefined {
  const symbols = Object.getOwnPropertySymbols(socket);
  const [buffer, callback] = ['kBuffer', 'kBufferCb'].map((name) => symbols.find(({ description }) => description === name));
  return buffer === undefined || callback === undefined ? undefined : { buffer, callback };
}

/**
 * Hot path. Calls `take` with everything that is read, in order, as a listener of `data` would be called. While the socket is not
 * paused and nothing waits in its queue, that is done at once; what comes at other times waits there, or in the kernel, as with any
 * stream: a client that leaves is heard while there is room in the queue.
 */
export function takeIncoming(socket: Socket, take: Take): void {
  let listens = false;
  // Only for what waits in the queue: to make a stream flow takes a tick, and most that connect have nothing there ever.
  const listen = () => {
    if (listens) return;
    listens = true;
    socket.on('data', (bytes: Buffer) => take(bytes, 0, bytes.length));
  };
  const inner = socket as unknown as Record<symbol, unknown> & { _handle?: { useUserBuffer?: (bytes: Buffer) => void } };
  if (onRead === undefined || typeof inner._handle?.useUserBuffer !== 'function') {
    listen();
    return;
  }
  if (socket.readableLength > 0) listen();
  inner[onRead.buffer] = readBuffer;
  inner[onRead.callback] = (count: number): boolean => {
    if (!socket.isPaused() && socket.readableLength === 0) {
      take(readBuffer, 0, count);
      return true;
    }
    listen();
    return socket.push(copyOf(readBuffer, 0, count));
  };
  // A socket with such memory would stop at once: nobody would hear its client leave.
  socket.pause = pauseStream;
  inner._handle.useUserBuffer(readBuffer);
}
