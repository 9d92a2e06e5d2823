// The WebSocket app as a server of its own.
import { connect } from 'node:net';
import { join } from 'node:path';
import { type RunningServer, runServer, type ServerProduct } from '@burgage/lab';

const echo: ServerProduct = {
  name: 'echo',
  summary: 'a WebSocket app that answers with what came',
  builds: [],
  scheme: 'ws',
  usualPort: 0,
  processes: ({ host, port }) => [
    {
      name: 'echo',
      command: process.execPath,
      args: [join(import.meta.dirname, 'echo.ts'), String(port)],
      answers: () =>
        new Promise((resolve, reject) => {
          const socket = connect(port, host, () => {
            socket.destroy();
            resolve(true);
          });
          socket.on('error', reject);
        }),
    },
  ],
};

export function startEchoApp(): Promise<RunningServer> {
  return runServer(echo, {});
}
