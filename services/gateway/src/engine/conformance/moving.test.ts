// A tenant that is being moved: its new requests wait a moment, and what is under way goes on.
import { ManualClock, systemClock } from '@burgage/runtime';
import type { TenantRoute } from '@burgage/tenancy';
import { describe, expect, it } from 'vitest';
import {
  applyRoutes,
  describeEngines,
  eventually,
  metricValue,
  RawClient,
  type StartedGateway,
  sendRaw,
  startApp,
  startGateway,
  startTcp,
} from '../../testing/fixture.ts';
import { waitingMax, waitMsMax } from '../waiting-room.ts';

describeEngines((_, workers) => {
  const get = 'GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n\r\n';
  const id = 'ten_acme.test';

  /** Changes the tenant's route as the registry does. */
  function change(running: StartedGateway, fields: Partial<TenantRoute>): void {
    const entry = [...running.follower.table.entries()].find(({ kind, key }) => kind === 'tenant' && key === id);
    if (entry?.entity?.kind !== 'tenant') throw new Error('no tenant');
    applyRoutes(running, { ...entry, version: entry.version + 1, entity: { ...entry.entity, ...fields } });
  }

  /** Leads to an upstream of this address. */
  function upstream(running: StartedGateway, name: string, address: string): void {
    const entity = { kind: 'upstream', name, endpoints: [{ address, weight: 1, zone: '' }] } as const;
    applyRoutes(running, { kind: 'upstream', key: name, version: 1, removed: false, entity });
  }

  /** Workers have clocks of their own: there it takes as long as it takes. */
  const pass = (clock: ManualClock, ms: number) => (workers === undefined ? clock.advance(ms) : systemClock.sleep(ms));

  const waiting = ({ metrics }: StartedGateway) => metricValue(metrics, 'burgage_gateway_requests_held');
  const outcome = ({ metrics }: StartedGateway, outcome: string) =>
    metricValue(metrics, 'burgage_gateway_requests_held_total', { outcome });
  const inFlight = ({ metrics }: StartedGateway) => metricValue(metrics, 'burgage_gateway_requests_in_flight');

  /** A gateway with a tenant at one app and a second app that it can move to; the clock stands still. */
  async function started(fields: Record<string, unknown> = {}) {
    const heard: string[] = [];
    const appOf = (name: string) =>
      startApp((request, response) => {
        let body = '';
        request.setEncoding('latin1').on('data', (text: string) => (body += text));
        request.on('end', () => {
          heard.push(`${name} ${request.method} ${body}`.trim());
          response.end(`served by ${name}`);
        });
      });
    const [before, after] = [await appOf('before'), await appOf('after')];
    const clock = new ManualClock();
    const running = await startGateway(
      [
        { host: 'acme.test', backends: [before.address], name: 'Acme', ...fields },
        { host: 'other.test', backends: [before.address] },
      ],
      { clock },
    );
    upstream(running, 'after', after.address);
    change(running, { moving: true });
    return { ...running, running, clock, heard };
  }

  describe('a request of a tenant that is being moved', () => {
    it('waits, reaches nobody meanwhile, and is served by where the tenant is then', async () => {
      const { running, port, heard } = await started();
      const first = sendRaw(port, get);
      const second = sendRaw(port, 'POST / HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello');
      await eventually(async () => (await waiting(running)) === 2);
      change(running, { upstream: 'after', isolation: 'silo', entitlementVersion: 2 });
      // The neighbour's answer came by the same way, later: theirs would have come too.
      expect(await sendRaw(port, get.replace('acme', 'other'))).toMatch(/^HTTP\/1\.1 200 [\s\S]*served by before$/);
      expect(await waiting(running)).toBe(2);
      change(running, { moving: false });
      for (const answer of [await first, await second]) expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*served by after$/);
      expect(heard.toSorted()).toEqual(['after GET', 'after POST hello', 'before GET']);
      expect([await waiting(running), await outcome(running, 'served')]).toEqual([0, 2]);
    });

    it('is answered 503 with Retry-After when the move takes longer than it waits', async () => {
      const { running, port, clock, heard } = await started();
      const answer = sendRaw(port, get);
      await eventually(async () => (await waiting(running)) === 1);
      if (workers === undefined) {
        await clock.advance(waitMsMax - 1);
        expect(await waiting(running)).toBe(1);
        await clock.advance(1);
      }
      expect(await answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After: 1\r\n[\s\S]*tenant_moving/);
      expect(heard).toEqual([]);
      expect([await waiting(running), await outcome(running, 'timed_out'), await inFlight(running)]).toEqual([0, 1, 0]);
    });

    it('is shown to people as a page in the name of the tenant', async () => {
      const { running, port, clock } = await started();
      const answer = sendRaw(port, get.replace('\r\n\r\n', '\r\nAccept: text/html\r\n\r\n'));
      await eventually(async () => (await waiting(running)) === 1);
      await pass(clock, waitMsMax);
      expect(await answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*text\/html[\s\S]*Acme[\s\S]*This account is being moved\./);
    });

    // Each worker has a bound of its own.
    if (workers === undefined)
      it('is answered at once where too many wait already, and those who wait are served', async () => {
        const { running, port } = await started();
        const held = Array.from({ length: waitingMax }, () => sendRaw(port, get));
        await eventually(async () => (await waiting(running)) === waitingMax);
        expect(await sendRaw(port, get)).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After: 1\r\n[\s\S]*tenant_moving/);
        expect(await outcome(running, 'full')).toBe(1);
        change(running, { moving: false });
        for (const answer of await Promise.all(held)) expect(answer).toMatch(/^HTTP\/1\.1 200 /);
        expect(await inFlight(running)).toBe(0);
      });

    it('is dropped when its client goes away', async () => {
      const { running, port, heard } = await started();
      const client = await RawClient.connect(port);
      client.send(get);
      const upgrade = await RawClient.connect(port);
      upgrade.send('GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      await eventually(async () => (await waiting(running)) === 2);
      client.socket.destroy();
      upgrade.socket.destroy();
      await eventually(async () => (await waiting(running)) === 0);
      expect([await outcome(running, 'left'), await inFlight(running)]).toEqual([2, 0]);
      change(running, { moving: false });
      expect(await sendRaw(port, get)).toMatch(/^HTTP\/1\.1 200 /);
      expect(heard).toEqual(['before GET']);
    });

    it('is answered by what the tenant is after the move', async () => {
      const { running, port } = await started();
      const answer = sendRaw(port, get);
      await eventually(async () => (await waiting(running)) === 1);
      change(running, { moving: false, holds: ['operator'] });
      expect(await answer).toMatch(/^HTTP\/1\.1 403 [\s\S]*tenant_suspended/);
      expect(await inFlight(running)).toBe(0);
    });

    it('has its place in the limits while it waits, and uses up its rate once', async () => {
      const { running, port } = await started({ limits: { concurrency: 2, requestsPerSecond: 2 } });
      const held = [sendRaw(port, get), sendRaw(port, get)];
      await eventually(async () => (await waiting(running)) === 2);
      expect(await sendRaw(port, get)).toMatch(/^HTTP\/1\.1 429 [\s\S]*concurrency_limited/);
      change(running, { moving: false });
      for (const answer of await Promise.all(held)) expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    });

    it('keeps no gateway from stopping', async () => {
      const { running, port, gateway } = await started();
      const client = await RawClient.connect(port);
      client.send(get);
      await eventually(async () => (await waiting(running)) === 1);
      await gateway.stop();
      await client.all();
      expect(await waiting(running)).toBe(0);
    });
  });

  describe('what is under way when a move begins', () => {
    const upgrade = 'GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';

    it('goes on: a request until its answer, a tunnel until the tenant is elsewhere, where the next one is opened', async () => {
      const clock = new ManualClock();
      const answers: (() => void)[] = [];
      const appOf = (name: string) =>
        startTcp((socket) => {
          socket.setEncoding('latin1').once('data', (head: string) => {
            if (!/^upgrade: echo/im.test(head)) {
              answers.push(() => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone'));
              return;
            }
            socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n${name}`);
            socket.on('data', (text: string) => socket.write(text));
          });
        });
      const [before, after] = [await appOf('before'), await appOf('after')];
      const running = await startGateway([{ host: 'acme.test', backends: [before.address] }], { clock });
      upstream(running, 'after', after.address);
      const request = sendRaw(running.port, get);
      const tunnel = await RawClient.connect(running.port);
      tunnel.send(upgrade);
      await tunnel.untilText('before');
      await eventually(() => answers.length === 1);
      change(running, { moving: true });
      for (const answer of answers) answer();
      expect(await request).toMatch(/^HTTP\/1\.1 200 [\s\S]*done$/);
      const next = await RawClient.connect(running.port);
      next.send(upgrade);
      await eventually(async () => (await waiting(running)) === 1);
      // Whatever the gateway does now and then leaves it open.
      await pass(clock, 1_500);
      tunnel.send('still here');
      await tunnel.untilText('still here');
      change(running, { upstream: 'after', isolation: 'silo', entitlementVersion: 2, moving: false });
      expect(await next.untilText('after')).toMatch(/^HTTP\/1\.1 101 /);
      await pass(clock, 1_500);
      await tunnel.all();
      next.send('here too');
      await next.untilText('here too');
    });
  });
}, 2);
