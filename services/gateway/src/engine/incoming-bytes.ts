// Takes what a socket reads without the way through its stream's queue, which costs more than most of what is done with it.
import type { Socket } from 'node:net';

/**
 * Hot path. Calls `take` with everything that is read, in order, as a listener of `data` would be called. While the socket is not
 * paused and nothing waits in its queue, that is done at once; what comes at other times waits there, or in the kernel, as with any
 * stream.
 */
export function takeIncoming(socket: Socket, take: (bytes: Buffer) => void): void {
  let listens = false;
  // Only for what waits in the queue: to make a stream flow takes a tick, and most that connect have nothing there ever.
  const listen = () => {
    if (listens) return;
    listens = true;
    socket.on('data', take);
  };
  if (socket.readableLength > 0) listen();
  const { push } = socket;
  socket.push = (bytes: Buffer | null) => {
    if (bytes === null) return push.call(socket, bytes);
    if (socket.isPaused() || socket.readableLength > 0) {
      listen();
      return push.call(socket, bytes);
    }
    take(bytes);
    return true;
  };
}
