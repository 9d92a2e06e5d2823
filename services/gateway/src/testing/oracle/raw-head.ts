// Heads as node:http gives them, and as they are written without it.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Peer } from '../../domain/exchange.ts';
import { headerValue } from '../../domain/forward-headers.ts';
import type { Head, RequestHead } from '../../domain/request-head.ts';

export class RawHead implements RequestHead, Head {
  readonly method: string;
  readonly target: string;
  readonly httpVersion: RequestHead['httpVersion'];
  readonly rawHeaders: readonly string[];

  constructor({ method = '', url = '', httpVersion = '1.1', rawHeaders = [] }: Partial<IncomingMessage>) {
    this.method = method;
    this.target = url;
    this.httpVersion = httpVersion === '1.0' ? '1.0' : '1.1';
    this.rawHeaders = rawHeaders;
  }

  field(lowerName: string): string | undefined {
    return headerValue(this.rawHeaders, lowerName);
  }
}

/** An IPv4 client of a socket that listens on both is written as IPv4. */
export function peerOf(socket: Socket): Peer {
  return { address: (socket.remoteAddress ?? '').replace(/^::ffff:/, ''), scheme: 'http' };
}

/** Header lines, from names and values in turn. */
export function headLines(headers: readonly string[]): string {
  let lines = '';
  for (let i = 0; i < headers.length; i += 2) lines += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return lines;
}
