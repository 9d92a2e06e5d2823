// Each reason why a tenant is not served has its own answer.
import { describe, expect, it } from 'vitest';
import {
  deadAddress,
  describeEngines,
  eventually,
  metricValue,
  RawClient,
  sendRaw,
  startApp,
  startGateway,
  startTcp,
} from '../../testing/fixture.ts';

describeEngines(() => {
  const get = (host: string, more = '') => `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`;

  const states: Readonly<Record<string, [fields: Record<string, unknown>, status: number, code: string]>> = {
    requested: [{ state: 'requested' }, 503, 'tenant_provisioning'],
    provisioning: [{ state: 'provisioning' }, 503, 'tenant_provisioning'],
    failed: [{ state: 'failed' }, 503, 'tenant_failed'],
    terminating: [{ state: 'terminating' }, 403, 'tenant_closing'],
    terminated: [{ state: 'terminated' }, 410, 'tenant_gone'],
    'held by an operator': [{ holds: ['unpaid', 'operator'] }, 403, 'tenant_suspended'],
    unpaid: [{ holds: ['trial_ended', 'unpaid'] }, 402, 'tenant_unpaid'],
    'at the end of its trial': [{ holds: ['trial_ended'] }, 402, 'tenant_trial_ended'],
    'without endpoints': [{ backends: [] }, 503, 'no_endpoint'],
  };

  describe('a tenant that is not served', () => {
    it.each(Object.entries(states))('has its own answer: %s', async (_, [fields, status, code]) => {
      const { port, metrics } = await startGateway([{ host: 'acme.test', name: 'Acme', color: '#aa3300', ...fields }]);
      const answer = await sendRaw(port, get('acme.test'));
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(answer).toMatch(/\r\nContent-Type: application\/problem\+json\r\n/);
      const problem = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));
      expect(problem).toMatchObject({ status, code });
      expect(answer).toContain(`X-Request-Id: ${problem.requestId}`);
      expect(await metricValue(metrics, 'burgage_gateway_refusals_total', { code })).toBe(1);
    });

    it('says when to come back', async () => {
      const { port } = await startGateway([{ host: 'acme.test', state: 'provisioning' }]);
      expect(await sendRaw(port, get('acme.test'))).toMatch(/\r\nRetry-After: 2\r\n/);
    });

    it('shows people a page in its name, from which nothing can break out', async () => {
      const { port } = await startGateway([{ host: 'acme.test', holds: ['unpaid'], name: '<script>alert(1)</script>', color: '#aa3300' }]);
      const answer = await sendRaw(port, get('acme.test', 'Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n'));
      expect(answer).toMatch(/\r\nContent-Type: text\/html; charset=utf-8\r\n/);
      expect(answer).toMatch(/\r\nContent-Security-Policy: default-src 'none'; style-src 'nonce-[0-9a-f]{32}';/);
      expect(answer).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
      expect(answer).not.toContain('<script');
      expect(answer).toContain('#aa3300');
      expect(answer).toContain('This account has an unpaid invoice.');
    });

    it('answers HEAD without a body and keeps the connection', async () => {
      const { port } = await startGateway([{ host: 'acme.test', holds: ['unpaid'] }]);
      const client = await RawClient.connect(port);
      client.send('HEAD / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
      expect(await client.untilText('\r\n\r\n')).toMatch(/^HTTP\/1\.1 402 [\s\S]*Content-Length: \d{3}[\s\S]*\r\n\r\n$/);
      client.send(get('acme.test'));
      expect(await client.all()).toMatch(/\r\n\r\nHTTP\/1\.1 402 /);
    });
  });

  describe('a host that nobody has', () => {
    it('is unknown, below a wildcard it is not', async () => {
      const app = await startApp((request, response) => response.end(request.headers.host));
      const { port } = await startGateway([
        { host: '*.wild.test', backends: [app.address] },
        { host: '**.deep.test', backends: [app.address] },
      ]);
      for (const host of ['other.test', 'wild.test', 'a.b.wild.test', 'deep.test'])
        expect(await sendRaw(port, get(host))).toMatch(/^HTTP\/1\.1 404 [\s\S]*host_unknown/);
      for (const host of ['a.wild.test', 'a.deep.test', 'a.b.deep.test'])
        expect(await sendRaw(port, get(host))).toMatch(new RegExp(`^HTTP/1\\.1 200 [\\s\\S]*${host}`));
    });
  });

  describe('limits', () => {
    it('of rate: the burst is served, the next is told when to come back, others notice nothing', async () => {
      const app = await startApp((_, response) => response.end('app'));
      const { port } = await startGateway([
        { host: 'busy.test', backends: [app.address], limits: { requestsPerSecond: 3 } },
        { host: 'quiet.test', backends: [app.address], limits: { requestsPerSecond: 3 } },
      ]);
      const one = 'GET / HTTP/1.1\r\nHost: busy.test\r\n\r\n';
      const answer = await sendRaw(port, one.repeat(8) + get('busy.test'));
      const statuses = answer.match(/HTTP\/1\.1 \d{3}/g) ?? [];
      expect(statuses).toHaveLength(9);
      expect(statuses.slice(0, 3)).toEqual(Array(3).fill('HTTP/1.1 200'));
      expect(statuses.slice(-1)).toEqual(['HTTP/1.1 429']);
      expect(answer).toMatch(/Retry-After: 1\r\n[\s\S]*rate_limited/);
      expect(await sendRaw(port, get('quiet.test'))).toMatch(/^HTTP\/1\.1 200 /);
    });

    it('of concurrency: a place that is given back can be used again', async () => {
      const waiting: (() => void)[] = [];
      const app = await startApp((_, response) => void waiting.push(() => response.end('app')));
      const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [app.address], limits: { concurrency: 2 } }]);
      const first = sendRaw(port, get('acme.test'));
      const second = await RawClient.connect(port);
      second.send(get('acme.test'));
      await eventually(() => waiting.length === 2);
      expect(await sendRaw(port, get('acme.test'))).toMatch(/^HTTP\/1\.1 429 [\s\S]*Retry-After: 1[\s\S]*concurrency_limited/);
      second.socket.destroy();
      await eventually(async () => (await metricValue(metrics, 'burgage_gateway_requests_in_flight')) === 1);
      const third = sendRaw(port, get('acme.test'));
      await eventually(() => waiting.length === 3);
      for (const answer of waiting) answer();
      expect(await first).toMatch(/^HTTP\/1\.1 200 /);
      expect(await third).toMatch(/^HTTP\/1\.1 200 /);
    });
  });

  describe('an app that fails', () => {
    it('takes no connection: 502 upstream_unreachable', async () => {
      const { port } = await startGateway([{ host: 'acme.test', backends: [await deadAddress()] }]);
      expect(await sendRaw(port, get('acme.test'))).toMatch(/^HTTP\/1\.1 502 [\s\S]*upstream_unreachable/);
    });

    it('stays silent: 504 upstream_timeout', async () => {
      const app = await startTcp((socket) => socket.resume());
      const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { timeouts: { firstByteMs: 50 } });
      expect(await sendRaw(port, get('acme.test'))).toMatch(/^HTTP\/1\.1 504 [\s\S]*upstream_timeout/);
    });

    it('stops within its answer: the connection breaks and the log says why', async () => {
      const app = await startTcp((socket) => socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')));
      const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { timeouts: { streamIdleMs: 100 } });
      expect(await sendRaw(port, get('acme.test'))).toMatch(/half$/);
      expect(await metricValue(metrics, 'burgage_gateway_terminations_total', { reason: 'upstream_timeout' })).toBe(1);
    });
  });

  describe('a client that is too slow', () => {
    it('with its head is answered 408', async () => {
      const { port } = await startGateway([], { timeouts: { headMs: 100 } });
      const client = await RawClient.connect(port);
      client.send('GET / HTTP/1.1\r\nHost: acme');
      expect(await client.all()).toMatch(/^HTTP\/1\.1 408 [\s\S]*request_timeout/);
    });

    it('with its body is answered 408, and the app loses the request', async () => {
      let closed = false;
      const app = await startApp((request) => {
        request.resume();
        request.once('close', () => {
          closed = true;
        });
      });
      const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }], {
        timeouts: { bodyIdleMs: 100, lingerMs: 20 },
      });
      const client = await RawClient.connect(port);
      client.send('POST / HTTP/1.1\r\nHost: acme.test\r\nContent-Length: 100\r\n\r\npart');
      expect(await client.all()).toMatch(/^HTTP\/1\.1 408 [\s\S]*request_timeout/);
      await eventually(() => closed);
    });

    it('between requests is disconnected', async () => {
      const app = await startApp((_, response) => response.end('app'));
      const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { timeouts: { keepAliveMs: 50 } });
      const client = await RawClient.connect(port);
      client.send('GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
      expect(await client.all()).toMatch(/^HTTP\/1\.1 200 /);
    });

    it('in reading is disconnected once nothing moves', async () => {
      const app = await startApp((_, response) => response.end(Buffer.alloc(50_000_000)));
      const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { timeouts: { streamIdleMs: 200 } });
      const client = await RawClient.connect(port);
      client.socket.pause();
      client.send(get('acme.test'));
      await eventually(async () => (await metricValue(metrics, 'burgage_gateway_terminations_total', { reason: 'client_timeout' })) === 1);
    });
  });
}, 2);
