// Toxiproxy: proxies that cut, slow and mend the connections between two servers; `Toxiproxy` speaks to it.
import { join } from 'node:path';
import { goProgram } from '../go.ts';
import { httpAnswers } from '../probes.ts';
import type { ServerProduct } from '../product.ts';

const build = goProgram({
  name: 'toxiproxy',
  version: '2.5.0',
  package: 'github.com/Shopify/toxiproxy/v2/cmd/server',
  usuallySeconds: 10,
});

export const toxiproxy: ServerProduct = {
  name: 'toxiproxy',
  summary: 'faults between two servers: cut, slow, mend',
  builds: [build],
  scheme: 'http',
  usualPort: 8474,
  processes: ({ folderOf, host, port }) => [
    {
      name: 'toxiproxy',
      command: join(folderOf(build), 'toxiproxy'),
      args: ['-host', host, '-port', String(port)],
      answers: () => httpAnswers(`http://${host}:${port}/version`),
    },
  ],
};
