// A tunnel: two sockets, each sent what comes from the other, until both are done.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface TunnelEnd {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly reason: 'tunnel_closed' | 'tunnel_idle' | 'cut';
}

/** An open tunnel; `cut` drops it. */
export interface Tunnel {
  cut(): void;
}

/**
 * Joins the sockets. An end from one side is passed on and the other direction goes on; an error or a close on one side closes
 * the other once what was sent is written. Nothing in either direction for `idleMs` ends it.
 */
export function openTunnel(client: Duplex, upstream: Duplex, idleMs: number, onEnd: (end: TunnelEnd) => void): Tunnel {
  let bytesIn = 0;
  let bytesOut = 0;
  let reason: TunnelEnd['reason'] = 'tunnel_closed';
  let open = 2;

  const countIn = (chunk: Buffer) => {
    bytesIn += chunk.length;
  };
  const countOut = (chunk: Buffer) => {
    bytesOut += chunk.length;
  };
  // Read at the end of the stream: with it, an end from the endpoint leaves our way to it open.
  upstream.allowHalfOpen = true;
  client.allowHalfOpen = true;
  client.on('data', countIn);
  upstream.on('data', countOut);
  client.pipe(upstream);
  upstream.pipe(client);

  const destroyBoth = () => {
    client.destroy();
    upstream.destroy();
  };
  const idle = setTimeout(() => {
    reason = 'tunnel_idle';
    destroyBoth();
  }, idleMs);
  const onActivity = () => idle.refresh();
  client.on('data', onActivity);
  upstream.on('data', onActivity);

  const onClose = (other: Duplex) => () => {
    if (other instanceof Socket) other.destroySoon();
    else other.destroy();
    open -= 1;
    if (open > 0) return;
    clearTimeout(idle);
    onEnd({ bytesIn, bytesOut, reason });
  };
  client.once('close', onClose(upstream)).on('error', destroyBoth);
  upstream.once('close', onClose(client)).on('error', destroyBoth);
  return {
    cut: () => {
      reason = 'cut';
      destroyBoth();
    },
  };
}
