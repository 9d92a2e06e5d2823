// A load says what was not answered as it should be.
import { describeWithLab } from '@burgage/lab';
import { expect, test } from 'vitest';
import { connections } from './load.ts';
import { messages } from './messages.ts';
import { requests } from './requests.ts';

describeWithLab('a load says of', ['nginx', 'wrk'], (lab) => {
  test('answers that are shorter than they should be', async () => {
    const { host, port } = lab.server('nginx');
    const { count, failures } = await requests({ path: '/1mb' }).send({ host, port, hosts: 10 }, 1);
    expect(count).toBeGreaterThan(0);
    expect(failures).toEqual(['some cut short']);
  });

  test('refused requests', async () => {
    const body = 'x'.repeat(1_000);
    const { host, port } = await lab.start('nginx', {
      http: (site) => `access_log off; server { listen ${site.host}:${site.port}; return 429 "${body}"; }`,
    });
    const { count, failures } = await requests({ path: '/small' }).send({ host, port, hosts: 10 }, 1);
    expect(count).toBeGreaterThan(0);
    expect(failures).toEqual([`${count} refused`]);
  });

  test('connections that become no WebSocket', async () => {
    const { host, port } = lab.server('nginx');
    expect(await messages().send({ host, port, hosts: 10 }, 1)).toMatchObject({
      count: 0,
      failures: [`${connections} connections refused or broken off`],
    });
  });
});
