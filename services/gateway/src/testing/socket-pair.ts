// Two sockets of this process that are connected with each other.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { acme, makeCertificates } from './certificates.ts';

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
  return pairOf(near, far);
}

/** Makes pairs that speak TLS with each other. */
export async function secureSocketPairs(): Promise<() => Promise<SocketPair>> {
  const certificates = await makeCertificates();
  await certificates.put(acme);
  const [cert, key] = await Promise.all(['tls.crt', 'tls.key'].map((file) => readFile(join(certificates.folder, acme, file))));
  return async () => {
    const server = tls.createServer({ cert, key, allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const far = tls.connect({ port, host: '127.0.0.1', servername: acme, ca: certificates.ca });
    const [near] = (await once(server, 'secureConnection')) as [Socket];
    server.close();
    return pairOf(near, far);
  };
}

function pairOf(near: Socket, far: Socket): SocketPair {
  return {
    near,
    far,
    [Symbol.dispose]() {
      far.destroy();
      near.destroy();
    },
  };
}
