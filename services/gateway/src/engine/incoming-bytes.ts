// Takes what a socket reads without the way through its stream's queue, which costs more than most of what is done with it.
import type { Socket } from 'node:net';

/**
 * Hot path. Calls `take` with everything that is read, in order, as a listener of `data` would be called. While the socket
 * flows and nothing waits in its queue, that is done at once; what comes at other times waits there, or in the kernel, as with
 * any stream.
 */
export function takeIncoming(socket: Socket, take: (bytes: Buffer) => void): void {
  // For what has waited in the queue; and a stream flows only for somebody who listens.
  socket.on('data', take);
  const { push } = socket;
  socket.push = (bytes: Buffer | null) => {
    if (bytes === null || socket.readableFlowing !== true || socket.readableLength > 0) return push.call(socket, bytes);
    take(bytes);
    return true;
  };
}
