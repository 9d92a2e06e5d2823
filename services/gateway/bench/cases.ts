// What is measured: each case is a load on a number of hosts.
import type { Load } from './load/load.ts';
import { messages } from './load/messages.ts';
import { requests } from './load/requests.ts';
import { streams } from './load/streams.ts';

export interface Case {
  readonly name: string;
  /** In the table. */
  readonly what: string;
  readonly hosts: number;
  readonly load: Load;
  /** Over TLS 1.3. Default false. */
  readonly secure?: boolean;
  /** Our app is told its tenant by a signed token; the peers measured beside it cannot do that. Default false. */
  readonly tenantContexts?: boolean;
  /** Part of the quick form. */
  readonly quick?: boolean;
}

const small = requests({ path: '/small' });

export const cases: readonly Case[] = [
  { name: 'hosts-100', what: 'keep-alive, 100 hosts', hosts: 100, load: small },
  { name: 'hosts-1000', what: 'keep-alive, 1,000 hosts', hosts: 1_000, load: small, quick: true },
  {
    name: 'new-connections',
    what: 'a connection for each request',
    hosts: 1_000,
    load: requests({ path: '/small', close: true }),
    quick: true,
  },
  { name: 'body-10kb', what: 'answers of 10 KB', hosts: 1_000, load: requests({ path: '/10kb' }) },
  { name: 'body-1mb', what: 'answers of 1 MB', hosts: 1_000, load: requests({ path: '/1mb' }), quick: true },
  {
    name: 'paced',
    what: '5,000 requests a second offered',
    hosts: 1_000,
    load: requests({ path: '/small', perSecond: 5_000 }),
    quick: true,
  },
  { name: 'tls', what: 'TLS 1.3, keep-alive', hosts: 1_000, load: small, secure: true, quick: true },
  {
    name: 'tls-new-connections',
    what: 'TLS 1.3, a connection for each request',
    hosts: 1_000,
    load: requests({ path: '/small', close: true }),
    secure: true,
  },
  { name: 'http2-64x1', what: 'HTTP/2, 64 connections of 1 stream', hosts: 1_000, load: streams(64, 1), secure: true, quick: true },
  { name: 'http2-16x10', what: 'HTTP/2, 16 connections of 10 streams', hosts: 1_000, load: streams(16, 10), secure: true },
  { name: 'websocket', what: 'WebSocket messages of 64 B', hosts: 1_000, load: messages(), quick: true },
  { name: 'tenant-context', what: 'keep-alive, 1,000 hosts, signed tenant context', hosts: 1_000, load: small, tenantContexts: true },
  { name: 'hosts-100000', what: 'keep-alive, 100,000 hosts', hosts: 100_000, load: small },
  { name: 'hosts-1000000', what: 'keep-alive, 1,000,000 hosts', hosts: 1_000_000, load: small },
];
