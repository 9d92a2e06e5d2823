// WebSocket messages: on every connection one after the other, each answered with itself.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connections, type Load } from './load.ts';

const run = promisify(execFile);

/** What websocket-client.ts says at the end. */
interface Summary {
  readonly echoes: number;
  readonly seconds: number;
  readonly failed: number;
}

export function messages(): Load {
  return {
    app: 'echo',
    unit: 'message',
    async send({ host, port, hosts }, seconds) {
      const program = join(import.meta.dirname, 'websocket-client.ts');
      const args = [host, port, hosts, connections, seconds].map(String);
      const { stdout } = await run(process.execPath, [program, ...args]);
      const { echoes, failed, ...rest } = JSON.parse(stdout) as Summary;
      // It went through the proxy twice.
      return { ...rest, count: 2 * echoes, failures: failed > 0 ? [`${failed} connections refused or broken off`] : [] };
    },
  };
}
