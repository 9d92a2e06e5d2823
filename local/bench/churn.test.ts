// Route changes in their small form: no request fails, no WebSocket closes, every change shows. No time is judged.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describeWithLab } from '@burgage/lab';
import { expect, test } from 'vitest';
import { churn } from './churn.ts';

test.each([
  [['--hosts', '0'], '--hosts: got "0", expected a whole number from 1 to 5000000'],
  [['--seconds', 'x'], '--seconds: got "x", expected a whole number from 1 to 3600'],
  [['--host', '9'], "Unknown option '--host'"],
])('%j is an error that says what was expected, exit code 2, and starts nothing', (args, message) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'churn-main.ts'), ...args], {
    encoding: 'utf8',
  });
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr.startsWith(`error: ${message}`)).toBe(true);
});

describeWithLab('hundreds of route changes a second', ['nginx', 'wrk'], () => {
  test('fail no request, close no WebSocket, show at the gateway, and are on disk for a start without a registry', async () => {
    const small = { hosts: 10_000, seconds: 4, changesPerSecond: 400, sockets: 50, requestsPerSecond: 200 };
    const { figures, complaints } = await churn(small, () => {});
    expect(complaints).toEqual([]);
    const figure = (pattern: RegExp): number => figures.find(({ what }) => pattern.test(what))?.value ?? Number.NaN;
    expect(figure(/^route changes committed/)).toBeGreaterThan(100);
    expect(figure(/^commit to gateway answering by it, median/)).toBeGreaterThan(0);
    expect(figure(/^new tenants, commit to first 200/)).toBeGreaterThan(0);
    expect(figure(/^requests answered a second/)).toBeGreaterThan(10);
    expect(figure(/^WebSocket messages that came back/)).toBeGreaterThan(50);
    expect(figure(/^hosts that a gateway has from disk/)).toBeGreaterThanOrEqual(10_000);
  }, 180_000);
});
