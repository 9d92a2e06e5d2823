// Gives a socket what it sends without the way through its stream's queue, as long as the kernel takes all of it at once.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** What a stream tells its writer of bytes that are no text; the types do not know it. */
const noText = 'buffer' as BufferEncoding;

/** What a socket was given past its queue and its kernel has not taken. */
interface Held {
  readonly bytes: number;
  /** Somebody was told to wait for `drain`. */
  isAwaited: boolean;
}

/** Few: a piece for each of those that read more slowly than they are written to, until the kernel has all of it. */
const heldBy = new Map<Socket, Held>();

/**
 * Hot path. Sends these bytes behind everything that the socket was given before. True where the kernel has all of it now, so that
 * the memory is the caller's again; otherwise it is the socket's until nothing is unsent. What fails destroys the socket, as with
 * any stream.
 */
export function send(socket: Socket, bytes: Buffer): boolean {
  // TLS is never done at once; and a stream that has come to its end knows best what to say of more.
  if (socket instanceof TLSSocket || !socket.writable || unsentBytes(socket) > 0) {
    socket.write(bytes);
    return unsentBytes(socket) === 0;
  }
  let isTaken = false;
  let held: Held | undefined;
  socket._write(bytes, noText, (error) => {
    if (error != null) socket.destroy(error);
    if (held === undefined) {
      isTaken = true;
      return;
    }
    heldBy.delete(socket);
    // Where more waits in the queue, the stream says when there is room.
    if (held.isAwaited && !socket.writableNeedDrain && !socket.destroyed) socket.emit('drain');
  });
  if (isTaken) return true;
  held = { bytes: bytes.length, isAwaited: false };
  heldBy.set(socket, held);
  return false;
}

/** Hot path. What the kernel has not taken of all that the socket was given; a piece counts whole until it has all of it. */
export function unsentBytes(socket: Socket): number {
  const { writableLength } = socket;
  return heldBy.size === 0 ? writableLength : writableLength + (heldBy.get(socket)?.bytes ?? 0);
}

/** False where the socket has more than it should: wait for its `drain`. */
export function hasRoom(socket: Socket): boolean {
  if (socket.writableNeedDrain) return false;
  const held = heldBy.get(socket);
  if (held === undefined || held.bytes + socket.writableLength < socket.writableHighWaterMark) return true;
  held.isAwaited = true;
  return false;
}
