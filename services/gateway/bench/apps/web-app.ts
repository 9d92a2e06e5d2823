// The app behind the proxies: nginx with ready answers, so that it costs as little as an app can.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunningServer, startServer } from '@burgage/lab';

/** What the app answers, by path: how many bytes. */
export const answers = { '/small': 92, '/10kb': 10 * 1024, '/1mb': 1024 * 1024 } as const;

export type AnswerPath = keyof typeof answers;

const small = '{"id":"itm_01J9ZQ4Y8K","name":"An item like any other","price":1299,"currency":"EUR","n":17}';

export async function startWebApp(folder: string): Promise<RunningServer> {
  const files = Object.entries(answers).filter(([path]) => path !== '/small');
  for (const [path, bytes] of files) await writeFile(join(folder, path), 'x'.repeat(bytes));
  const locations = files.map(([path]) => `location = ${path} { alias ${join(folder, path)}; }`);
  return await startServer('nginx', {
    main: 'worker_processes 1;',
    events: 'worker_connections 8192;',
    http: ({ host, port }) => `
access_log off;
sendfile on;
open_file_cache max=16;
keepalive_requests 1000000000;
server {
  listen ${host}:${port} backlog=4096;
  default_type application/json;
  location = /small { return 200 '${small}'; }
  ${locations.join('\n  ')}
}`,
  });
}
