// What is measured: each case is a load on a number of hosts.
import type { Load } from './load/load.ts';
import { messages } from './load/messages.ts';
import { requests } from './load/requests.ts';

export interface Case {
  readonly name: string;
  /** In the table. */
  readonly what: string;
  readonly hosts: number;
  readonly load: Load;
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
  { name: 'websocket', what: 'WebSocket messages of 64 B', hosts: 1_000, load: messages(), quick: true },
  { name: 'tenant-context', what: 'keep-alive, 1,000 hosts, signed tenant context', hosts: 1_000, load: small, tenantContexts: true },
  { name: 'hosts-100000', what: 'keep-alive, 100,000 hosts', hosts: 100_000, load: small },
  { name: 'hosts-1000000', what: 'keep-alive, 1,000,000 hosts', hosts: 1_000_000, load: small },
];
