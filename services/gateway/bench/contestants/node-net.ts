// What node:net, which our engine is built on, costs by itself: it sends on the bytes of a tunnel.
//
// It has nothing on: no hosts, no tenants, no limits, no log, no bounds. It is there to tell our part of the cost from Node's.
import { join } from 'node:path';
import { runServer, type ServerProduct } from '@burgage/lab';
import { askStatus } from '../ask-status.ts';
import type { Contestant } from './contestant.ts';

const relay: ServerProduct<{ readonly backend: string }> = {
  name: 'relay',
  summary: 'a relay of bytes on node:net',
  builds: [],
  scheme: 'http',
  usualPort: 8080,
  processes: ({ host, port }, { backend }) => [
    {
      name: 'relay',
      command: process.execPath,
      args: [join(import.meta.dirname, '../apps/relay.ts'), host, String(port), ...backend.split(':')],
      answers: async () => (await askStatus({ host, port }, false)) === 404,
    },
  ],
};

export const nodeNet: Contestant = {
  name: 'node-net',
  cases: ['websocket'],
  compilesAtWork: true,
  start: ({ backend }) => runServer(relay, { backend }),
};
