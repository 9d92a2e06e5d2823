// What the api asks a gateway, and that the internal token goes nowhere else.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createGatewayAdmin } from './gateway-admin.ts';

let server: Server;
let address: string;
let asked: string[];
let answer: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    response.end(answer);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.close().closeAllConnections();
});

beforeEach(() => {
  asked = [];
  answer = '{}';
});

describe('the admin endpoints of a gateway', () => {
  it('are asked with the internal token', async () => {
    answer = '{"url":"http://a.test/"}';
    expect(await createGatewayAdmin('secret').explain(address, 'http://a.test/?x=1&y')).toEqual({ url: 'http://a.test/' });
    expect(asked).toEqual(['GET /explain?url=http%3A%2F%2Fa.test%2F%3Fx%3D1%26y Bearer secret']);
  });

  it.each(['/latest/meta-data?x=', '@127.0.0.1:1', '#', '?'])('are at an address, not at one with %j behind it', async (tail) => {
    await expect(createGatewayAdmin('secret').explain(`${address}${tail}`, 'http://a.test/')).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(asked).toEqual([]);
  });

  it('are not read without end', async () => {
    answer = `"${'x'.repeat(2 ** 21)}"`;
    await expect(createGatewayAdmin('secret').explain(address, 'http://a.test/')).rejects.toMatchObject({ code: 'unavailable' });
  });
});
