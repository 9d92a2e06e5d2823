// Reading the rest of a request that nobody wants, so that its sender sees the answer and not a reset (RFC 9112 section 9.6).
import type { IncomingMessage } from 'node:http';

/** Calls `done` once: when the request is whole, or gone, or after so many bytes, or so many milliseconds. */
export function linger(request: IncomingMessage, { bytesMax, ms }: { bytesMax: number; ms: number }, done: () => void): void {
  let bytes = 0;
  let isDone = false;
  const finish = () => {
    if (isDone) return;
    isDone = true;
    clearTimeout(timer);
    request.off('data', count);
    done();
  };
  const count = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      request.pause();
      finish();
    }
  };
  const timer = setTimeout(finish, ms);
  request.on('data', count).once('end', finish).once('close', finish).once('error', finish);
  request.resume();
}
