// An app that answers in every way there is to fail, by the path that it is asked for.
import type { Socket } from 'node:net';
import { startTcp } from './fixture.ts';

const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';
/** More than all buffers on the way hold while nobody reads. */
export const flood = Buffer.alloc(4_000_000, 'f');

/** Reads only when everybody else has given up: whoever reads nothing does not even see that. */
function readLate(socket: Socket): void {
  socket.pause();
  setTimeout(() => socket.resume(), 200);
}

/**
 * Resets a connection, or destroys it while its end is on the way: Node forgets a socket that is to be reset in that moment, but
 * not its handle, and tells nobody that it has closed.
 */
export function breakOff(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}

/** How an endpoint answers the request for `/<name>`; the connection is as it was afterwards where nothing else is said. */
export const failingAnswers: Readonly<Record<string, (socket: Socket) => void>> = {
  whole: (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole'),
  chunked: (socket) => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n'),
  large: (socket) => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n${'x'.repeat(300_000)}`),
  untilClose: (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nto the end'),
  hinted: (socket) => socket.write('HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n'),
  slowly: (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-');
    setTimeout(() => socket.write('Length: 5\r\n\r\nsl'), 2);
    setTimeout(() => socket.write('owly'.slice(0, 3)), 4);
  },
  nothing: (socket) => socket.end(),
  reset: breakOff,
  withinHead: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Le'),
  behindHead: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'),
  withinBody: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab'),
  resetWithinBody: (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab', () => breakOff(socket)),
  withinChunk: (socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab'),
  badChunk: (socket) => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n'),
  garbage: (socket) => socket.write('\x16\x03\x01 what is this\r\n\r\n'),
  bothLengths: (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
  twice: (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb'),
  late: (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na');
    setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'), 1);
  },
  idleReset: (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na');
    setTimeout(() => breakOff(socket), 1);
  },
  idleEnd: (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na');
    setTimeout(() => socket.end(), 1);
  },
  stall: () => {},
  readsNothing: (socket) => readLate(socket),
  stallWithinHead: (socket) => socket.write('HTTP/1.1 200 OK\r\n'),
  stallWithinChunk: (socket) => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab'),
  stallWithinBody: (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab'),
  upgrade: (socket) => socket.write(`${switching}hello`),
  upgradeAndEcho: (socket) => {
    socket.write(switching);
    socket.on('data', (bytes) => socket.write(bytes));
  },
  upgradeAndResetLater: (socket) => {
    socket.write(switching);
    socket.once('data', (bytes) => socket.write(bytes, () => breakOff(socket)));
  },
  upgradeAndFlood: (socket) => {
    socket.write(switching);
    socket.write(flood);
    setTimeout(() => breakOff(socket), 10);
  },
  upgradeAndReadNothing: (socket) => {
    readLate(socket);
    socket.end(switching);
  },
  upgradeAndEnd: (socket) => socket.end(switching),
  upgradeAndReset: (socket) => socket.write(switching, () => breakOff(socket)),
};

/** Its address. */
export async function startFailingApp(): Promise<string> {
  const { address } = await startTcp((socket) => {
    socket.on('data', (bytes) => {
      const name = /^(?:GET|POST) \/(\w+) /.exec(bytes.toString('latin1'))?.[1];
      if (name !== undefined) failingAnswers[name]?.(socket);
    });
    socket.on('end', () => socket.end());
  });
  return address;
}
