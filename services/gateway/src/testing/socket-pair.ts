// Two sockets of this process that are connected with each other.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface SocketPair extends Disposable {
  readonly near: Socket;
  readonly far: Socket;
}

/** Either side may go on when the other has ended. */
export async function socketPair(): Promise<SocketPair> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [near] = (await once(server, 'connection')) as [Socket];
  server.close();
  return {
    near,
    far,
    [Symbol.dispose]() {
      far.destroy();
      near.destroy();
    },
  };
}
