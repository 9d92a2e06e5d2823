// How a client connects over TCP: it shows its own certificate, and takes only the service that it wants for its server.
import type { Socket } from 'node:net';
import { connect } from 'node:tls';
import type { Clock } from '@burgage/runtime';
import { type CallCredentials, ChannelCredentials, credentials, type experimental } from '@grpc/grpc-js';
import { handshakeTimeoutMs } from './defaults.ts';
import { serviceHost } from './service-name.ts';
import type { TlsIdentity } from './tls-identity.ts';

/** Like grpc-js's own, but with TLS 1.3 alone, an end to a handshake that nobody answers, and certificates as they are on disk. */
export class PeerCredentials extends ChannelCredentials {
  readonly #identity: TlsIdentity;
  readonly #peer: string;
  readonly #clock: Clock;

  /** `peer`: the service that the server must prove to be, whatever its address is. */
  constructor(identity: TlsIdentity, peer: string, clock: Clock) {
    super();
    this.#identity = identity;
    this.#peer = peer;
    this.#clock = clock;
  }

  override _isSecure(): boolean {
    return true;
  }

  /** Clients that are equal in this share connections. */
  override _equals(other: ChannelCredentials): boolean {
    if (!(other instanceof PeerCredentials)) return false;
    return other.#identity === this.#identity && other.#peer === this.#peer && other.#clock === this.#clock;
  }

  override _createSecureConnector(
    _target: unknown,
    _options: unknown,
    callCredentials: CallCredentials = credentials.createEmpty(),
  ): experimental.SecureConnector {
    return {
      waitForReady: async () => {},
      getCallCredentials: () => callCredentials,
      destroy: () => {},
      connect: async (socket) => ({ socket: await this.#handshake(socket), secure: true }),
    };
  }

  async #handshake(plain: Socket): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    promise.catch(() => {});
    // From the first moment on: the server may go while the certificate is looked at.
    plain.on('error', reject);
    const { context } = await this.#identity.current();
    if (plain.destroyed) {
      reject(new Error('closed before the TLS handshake'));
      return await promise;
    }
    const socket = connect({
      socket: plain,
      secureContext: context,
      servername: serviceHost(this.#peer),
      ALPNProtocols: ['h2'],
      // Whatever the environment says.
      rejectUnauthorized: true,
    });
    const waiting = new AbortController();
    const timeout = this.#clock.sleep(handshakeTimeoutMs, waiting.signal);
    void timeout.then(() => reject(new Error(`no TLS handshake within ${handshakeTimeoutMs} ms`)));
    // Stays: an error may come before gRPC listens for it.
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('closed in the TLS handshake')));
    socket.once('secureConnect', () => {
      if (socket.alpnProtocol === 'h2') resolve(socket);
      else reject(new Error('the server speaks no HTTP/2'));
    });
    try {
      return await promise;
    } finally {
      waiting.abort();
    }
  }
}
