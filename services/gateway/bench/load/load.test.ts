// A load counts what was answered as it should be, and says of the rest that it failed.
import { describeWithLab } from '@burgage/lab';
import { expect, test } from 'vitest';
import { connections } from './load.ts';
import { messages } from './messages.ts';
import { requests } from './requests.ts';

describeWithLab('loads', ['nginx', 'wrk'], (lab) => {
  test('answers that are shorter than they should be have all failed', async () => {
    const { host, port } = lab.server('nginx');
    const { count, failed } = await requests({ path: '/1mb' }).send({ host, port, hosts: 10 }, 1);
    expect(count).toBeGreaterThan(0);
    expect(failed).toBe(count);
  });

  test('refused requests have failed', async () => {
    const body = 'x'.repeat(1_000);
    const { host, port } = await lab.start('nginx', {
      http: (site) => `access_log off; server { listen ${site.host}:${site.port}; return 429 "${body}"; }`,
    });
    const { count, failed } = await requests({ path: '/small' }).send({ host, port, hosts: 10 }, 1);
    expect(count).toBeGreaterThan(0);
    expect(failed).toBe(count);
  });

  test('what is no WebSocket has failed, on every connection', async () => {
    const { host, port } = lab.server('nginx');
    expect(await messages().send({ host, port, hosts: 10 }, 1)).toMatchObject({ count: 0, failed: connections });
  });
});
