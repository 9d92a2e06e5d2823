// The load test itself, in its short form: nothing is wrong, and what is wrong is told.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeWithLab } from '@burgage/lab';
import { expect, onTestFinished, test } from 'vitest';
import { runLoad } from './k6.ts';
import { shortPlan } from './plan.ts';

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], { encoding: 'utf8' });
  return { code: status, stdout, stderr };
}

test('an option that there is not is an error, exit code 2, and starts nothing', () => {
  const { code, stdout, stderr } = run('--shrot');
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^error: Unknown option '--shrot'/);
});

describeWithLab('npm run loadtest', ['k6'], () => {
  test('in its short form shows no wrong answer, no broken WebSocket, and a noisy tenant at its limit', () => {
    const { code, stdout, stderr } = run('--short');
    expect({ code, stderr, complaints: stdout.match(/^(?:crossed|k6 said|missed).*$/gm) }).toEqual({
      code: 0,
      stderr: '',
      complaints: null,
    });
    expect(stdout).toMatch(/^noisy tenant: told to slow down +[1-9]/m);
    expect(stdout).toMatch(/^WebSocket messages that came back +[1-9]/m);
    expect(stdout).toMatch(/^answers that were wrong, sockets that broke +0/m);
  }, 180_000);

  test("tells an answer that is another tenant's, and a WebSocket that is refused", async () => {
    const server = createServer((_, response) => response.end('{"tenant":"t9999"}')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const folder = await mkdtemp(join(tmpdir(), 'burgage-loadtest-'));
    onTestFinished(async () => {
      server.close().closeAllConnections();
      await rm(folder, { recursive: true });
    });
    const at = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
    const plan = { ...shortPlan, users: 2, sockets: 1, uploaders: 1, leavers: 1, requestsPerSecond: 1, rampS: 1, holdS: 2 };
    const { metrics, complaints } = await runLoad(plan, { gateway: at, app: { ...at, folder } });
    expect(metrics.wrong?.values.count).toBeGreaterThan(3);
    expect(metrics.wrong?.thresholds?.['count==0']?.ok).toBe(false);
    expect(complaints.join('\n')).toMatch(/a read is answered by its own tenant: got 200/);
    expect(complaints.join('\n')).toMatch(/^WebSocket: /m);
  });
});
