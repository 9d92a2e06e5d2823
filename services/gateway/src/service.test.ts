// The gateway beside a registry: it follows, it outlives it, and it says what it serves from.
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createContextVerifier, generateContextKey } from '@burgage/app-kit';
import { createLogger, createMetrics, Readiness, systemClock } from '@burgage/runtime';
import { describe, expect, it } from 'vitest';
import { deadAddress, eventually, metricValue, RawClient, sendRaw, startApp, startTcp, temporaryFolder } from './testing/fixture.ts';
import { removal, routeOf, TestRegistry, upstreamOf } from './testing/registry.ts';
import { startService, token } from './testing/service.ts';

const get = (port: number, host: string) => sendRaw(port, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);

async function startWorld(): Promise<{ registry: TestRegistry; folder: string; appAddress: string }> {
  const folder = await temporaryFolder();
  const app = await startApp((request, response) => response.end(`app for ${request.headers.host}`));
  const registry = new TestRegistry(folder);
  registry.append(upstreamOf(app.address), ...routeOf('acme.test'));
  return { registry, folder, appAddress: app.address };
}

/** A world whose registry has gone, as has the gateway that followed it: what it served is on disk. */
async function leftOnDisk(): Promise<Awaited<ReturnType<typeof startWorld>> & { tableFile: string }> {
  const world = await startWorld();
  await world.registry.start();
  const tableFile = join(world.folder, 'gateway', 'routes.table');
  const first = await startService(world.registry, { tableFile });
  await eventually(async () => (await first.status()).inSync);
  await first.gateway.stop();
  await world.registry.stop();
  return { ...world, tableFile };
}

describe('a gateway that follows a registry', () => {
  it('serves what the registry says, takes changes over, and says at once how far it is', async () => {
    const { registry } = await startWorld();
    await registry.start();
    const { port, admin, status } = await startService(registry);
    await eventually(async () => (await status()).inSync);
    expect(await get(port, 'acme.test')).toMatch(/^HTTP\/1\.1 200 [\s\S]*app for acme\.test/);
    expect(await get(port, 'later.test')).toMatch(/^HTTP\/1\.1 404 /);
    expect(registry.resolved).toEqual([]);
    registry.append(...routeOf('later.test'));
    await eventually(() => registry.acks.at(-1)?.revision === 5);
    expect(await get(port, 'later.test')).toMatch(/^HTTP\/1\.1 200 /);
    registry.append(removal('host', 'acme.test', 2));
    await eventually(() => registry.acks.at(-1)?.revision === 6);
    expect(await get(port, 'acme.test')).toMatch(/^HTTP\/1\.1 404 /);
    expect(registry.hellos).toEqual([
      { gatewayId: 'gateway-1', adminAddress: admin.slice('http://'.length), epoch: '', revision: 0, seenRevision: 0, stamp: '' },
    ]);
  });

  it('closes no connection and loses no request while routes change', async () => {
    const { registry, appAddress } = await startWorld();
    await registry.start();
    const { port, status } = await startService(registry);
    await eventually(async () => (await status()).inSync);
    const client = await RawClient.connect(port);
    for (let version = 2; version < 40; version++) {
      registry.append(upstreamOf(appAddress, { version }), ...routeOf('acme.test', { version }));
      client.received = '';
      client.send('GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
      expect(await client.until(({ received }) => received.endsWith('0\r\n\r\n') || received.includes('app for'))).toMatch(
        /^HTTP\/1\.1 200 /,
      );
    }
  });

  it('serves on while the registry is gone, says so, and catches up when it is back', async () => {
    const { registry } = await startWorld();
    await registry.start();
    const { port, admin, status } = await startService(registry);
    await eventually(async () => (await status()).inSync);
    await registry.stop();
    await eventually(async () => !(await status()).inSync);
    expect(await get(port, 'acme.test')).toMatch(/^HTTP\/1\.1 200 /);
    const readiness = await (await fetch(`${admin}/readyz`)).json();
    expect(readiness).toMatchObject({ ready: true });
    expect((await status()).sentence).toMatch(/^The registry has not been reached for \d+ s; revision 3 is served\.$/);
    registry.append(...routeOf('later.test'));
    await registry.start();
    await eventually(async () => (await status()).inSync);
    expect(await get(port, 'later.test')).toMatch(/^HTTP\/1\.1 200 /);
    expect(registry.hellos.at(-1)).toMatchObject({ epoch: '1.e', revision: 3, seenRevision: 3, stamp: '1.e at 3' });
  });
});

describe('why a gateway gets no routes', () => {
  it('is one line in the log each time that the reason is another, with what the registry answered', async () => {
    const { registry, folder } = await startWorld();
    const log = join(folder, 'gateway.log');
    const logger = createLogger({ service: 'gateway', level: 'info', destination: log });
    const said = async () =>
      (await readFile(log, 'utf8'))
        .split('\n')
        .filter((line) => line.includes('registry '))
        .map((line) => JSON.parse(line).msg);
    const { status } = await startService(registry, { logger });
    await eventually(async () => (await said()).length === 1);
    registry.watchFails = 'document_too_new';
    await registry.start();
    // Asked several times.
    await eventually(() => registry.refusals >= 3);
    expect(await said()).toEqual([
      'registry not reached: serving what is known',
      'registry reached, and it answered document_too_new: serving what is known',
    ]);
    registry.watchFails = undefined;
    await eventually(async () => (await status()).inSync);
    expect((await said()).slice(2)).toEqual(['registry reached']);
  });
});

describe('a gateway without its registry at the start', () => {
  it('serves from disk, says so with revision and age, and resumes from there', async () => {
    const { registry, folder } = await startWorld();
    const tableFile = join(folder, 'gateway', 'routes.table');
    await registry.start();
    const first = await startService(registry, { tableFile });
    await eventually(async () => (await first.status()).inSync);
    await first.gateway.stop();
    await registry.stop();
    expect((await stat(tableFile)).mode & 0o777).toBe(0o600);

    const readiness = new Readiness();
    const second = await startService(registry, { tableFile, readiness });
    expect(await get(second.port, 'acme.test')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await second.status()).toMatchObject({ source: 'disk', epoch: '1.e', revision: 3, inSync: false, hosts: 1 });
    expect(readiness.report().checks.routes).toEqual({
      ready: true,
      reason: expect.stringMatching(/^Serving from disk: revision 3, saved \d+ s ago; the registry has not been reached\.$/),
    });
    await registry.start();
    await eventually(async () => (await second.status()).inSync);
    expect((await second.status()).source).toBe('registry');
    expect(registry.hellos.at(-1)).toMatchObject({ epoch: '1.e', revision: 3, seenRevision: 3, stamp: '1.e at 3' });
  });

  it('that has no table answers 503 to everybody and is not ready', async () => {
    const { registry } = await startWorld();
    const { port, admin } = await startService(registry);
    expect(await get(port, 'acme.test')).toMatch(/^HTTP\/1\.1 503 [\s\S]*routes_unavailable/);
    expect((await fetch(`${admin}/readyz`)).status).toBe(503);
  });

  it.each(['cut off', 'of a later version'])('sets a table aside that is %s, and asks for a new one', async (what) => {
    const { registry, folder } = await startWorld();
    const tableFile = join(folder, 'routes.table');
    await registry.start();
    const first = await startService(registry, { tableFile });
    await eventually(async () => (await first.status()).inSync);
    await first.gateway.stop();
    const whole = await readFile(tableFile);
    await writeFile(tableFile, what === 'cut off' ? whole.subarray(0, -5) : whole.toString().replace('"version":2', '"version":9'));

    const second = await startService(registry, { tableFile });
    expect((await readdir(folder)).some((name) => name.startsWith('routes.table.corrupt-'))).toBe(true);
    await eventually(async () => (await second.status()).inSync);
    expect(registry.hellos.at(-1)).toMatchObject({ epoch: '', revision: 0 });
    expect(await get(second.port, 'acme.test')).toMatch(/^HTTP\/1\.1 200 /);
    await second.gateway.stop();
    expect(await readFile(tableFile, 'utf8')).toContain('acme.test');
  });
});

describe('a gateway that takes over from another', () => {
  const takesOver = true;

  it('listens only when its routes are all that there is to know, and has told the registry where it will answer', async () => {
    const { registry, tableFile } = await leftOnDisk();
    // On disk it is still served, and nowhere else.
    registry.append(removal('host', 'acme.test', 2));
    const [port, adminPort] = [Number((await deadAddress()).split(':')[1]), Number((await deadAddress()).split(':')[1])];
    const starting = startService(registry, { tableFile, port, adminPort, takesOver });
    await eventually(() => registry.hellos.length === 1);
    await expect(RawClient.connect(port)).rejects.toThrow('ECONNREFUSED');
    await registry.start();
    await starting;
    expect(await get(port, 'acme.test')).toMatch(/^HTTP\/1\.1 404 /);
    expect(registry.hellos.at(-1)?.adminAddress).toBe(`127.0.0.1:${adminPort}`);
  });

  it('serves what is on disk where the registry stays away, and does not begin where there is nothing', async () => {
    const { registry, tableFile } = await leftOnDisk();
    const timeouts = { inSyncMs: 50 };
    const second = await startService(registry, { tableFile, takesOver, timeouts });
    expect(await get(second.port, 'acme.test')).toMatch(/^HTTP\/1\.1 200 /);
    await expect(startService(registry, { takesOver, timeouts })).rejects.toMatchObject({
      code: 'unavailable',
      message: 'No routes yet: the registry has not been reached.',
    });
  });

  it('leaves the table on disk to the one that took over from it', async () => {
    const { registry, folder } = await startWorld();
    await registry.start();
    const tableFile = join(folder, 'routes.table');
    const first = await startService(registry, { tableFile });
    await eventually(async () => (await first.status()).inSync);
    const second = await startService(registry, { tableFile, takesOver });
    await first.gateway.handOver();
    await second.gateway.stop();
    const left = await readFile(tableFile, 'utf8');
    registry.append(...routeOf('later.test'));
    await eventually(() => registry.acks.at(-1)?.revision === 5);
    await first.gateway.stop();
    expect(await readFile(tableFile, 'utf8')).toBe(left);
  });
});

describe('a suspicious snapshot', () => {
  it('is held, the old routes are served, and an operator accepts it', async () => {
    const { registry } = await startWorld();
    for (let i = 0; i < 12; i++) registry.append(...routeOf(`h${i}.test`));
    await registry.start();
    const { port, admin, status } = await startService(registry);
    await eventually(async () => (await status()).inSync);
    await registry.stop();
    registry.epoch = '2.e';
    registry.journal = registry.journal.slice(0, 3);
    await registry.start();
    await eventually(async () => (await status()).snapshotHeld);
    expect(await status()).toMatchObject({ epoch: '1.e', inSync: false, hosts: 13, heldRemoval: 12 });
    expect(await get(port, 'h3.test')).toMatch(/^HTTP\/1\.1 200 /);
    await eventually(() => registry.acks.at(-1)?.snapshotHeld === true);
    expect(registry.acks.at(-1)).toMatchObject({ epoch: '1.e' });

    expect((await fetch(`${admin}/snapshot/accept`, { method: 'POST' })).status).toBe(401);
    const accepted = await fetch(`${admin}/snapshot/accept`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
    expect(await accepted.json()).toMatchObject({ accepted: true, epoch: '2.e', hosts: 1 });
    expect(await get(port, 'h3.test')).toMatch(/^HTTP\/1\.1 404 /);
    await eventually(() => registry.acks.at(-1)?.epoch === '2.e');
  });
});

describe('a registry that has begun its routes anew', () => {
  it.each(['takes over', 'holds back'])(
    'is named in one line of the log as the cause of the snapshot that the gateway %s',
    async (what) => {
      const { registry, folder } = await startWorld();
      for (let i = 0; i < 12; i++) registry.append(...routeOf(`h${i}.test`));
      await registry.start();
      const log = join(folder, 'gateway.log');
      const { status } = await startService(registry, { logger: createLogger({ service: 'gateway', level: 'info', destination: log }) });
      await eventually(async () => (await status()).inSync);
      const said = async () => (await readFile(log, 'utf8')).split('\n').filter((line) => line.includes('has begun its routes anew'));
      expect(await said()).toEqual([]);
      await registry.stop();
      registry.epoch = '2.e';
      registry.journal = registry.journal.slice(0, what === 'takes over' ? -2 : 3);
      await registry.start();
      await eventually(async () => (await said()).length > 0);
      const [line, ...more] = await said();
      expect(more).toEqual([]);
      expect(JSON.parse(line ?? '')).toMatchObject({
        level: what === 'takes over' ? 'warn' : 'error',
        from: '1.e',
        epoch: '2.e',
        msg: expect.stringMatching(
          /because the registry has begun its routes anew, as it does when an older copy of its store was restored/,
        ),
      });
      if (what === 'holds back') expect(line).toContain('accepts it with: burgage gateways accept-snapshot gateway-1');
      expect(await status()).toMatchObject(
        what === 'takes over'
          ? { epoch: '2.e', snapshotHeld: false }
          : {
              epoch: '1.e',
              sentence: 'A snapshot is held with which 12 of 13 hosts would lead to no app any more; revision 27 is served.',
            },
      );
    },
  );
});

describe('a host that is not known while the routes are not in sync', () => {
  it('is asked for once for everybody, and a no is remembered', async () => {
    const { registry } = await startWorld();
    await registry.start();
    registry.headAhead = 5;
    const { port, status } = await startService(registry);
    await eventually(async () => (await status()).source === 'registry');
    expect((await status()).inSync).toBe(false);
    const answers = await Promise.all(Array.from({ length: 8 }, () => get(port, 'unknown.test')));
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(await get(port, 'unknown.test')).toMatch(/^HTTP\/1\.1 404 /);
    expect(registry.resolved).toEqual(['unknown.test']);
  });

  it('is not called unknown where the registry gives no answer, and is asked for again', async () => {
    const { registry } = await startWorld();
    await registry.start();
    registry.headAhead = 5;
    const { port, status } = await startService(registry);
    await eventually(async () => (await status()).source === 'registry');
    registry.resolveFails = true;
    expect(await get(port, 'new.test')).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After: 1\r\n[\s\S]*routes_unavailable/);
    registry.resolveFails = false;
    expect(await get(port, 'new.test')).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('is not called unknown once too many hosts were asked for', async () => {
    const { registry } = await startWorld();
    await registry.start();
    registry.headAhead = 5;
    let stoodStillAtMs: number | undefined;
    const clock = { ...systemClock, monotonicMs: () => stoodStillAtMs ?? systemClock.monotonicMs() };
    const { port, status } = await startService(registry, { clock, timeouts: { resolveMs: 20_000 } });
    await eventually(async () => (await status()).source === 'registry');
    // However long they take: to the gateway it is one moment, in which its budget of 50 a second is not filled up again.
    stoodStillAtMs = clock.monotonicMs();
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => get(port, `h${i}.test`)));
    const refused = answers.filter((answer) => !/^HTTP\/1\.1 404 /.test(answer));
    expect(refused).toHaveLength(10);
    expect(registry.resolved).toHaveLength(50);
    for (const answer of refused) expect(answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*routes_unavailable/);
  });
});

describe('an open tunnel', () => {
  it.each(['held', 'terminated', 'removed', 'without its host'])('is cut when its tenant is %s, and no other is', async (what) => {
    const folder = await temporaryFolder();
    const app = await startTcp((socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')),
    );
    const registry = new TestRegistry(folder);
    registry.append(upstreamOf(app.address), ...routeOf('acme.test'), ...routeOf('other.test'));
    await registry.start();
    const { port, status } = await startService(registry);
    await eventually(async () => (await status()).inSync);
    const open = async (host: string) => {
      const client = await RawClient.connect(port);
      client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`);
      await client.untilText('101');
      return client;
    };
    const tunnel = await open('acme.test');
    const other = await open('other.test');
    const [tenant, host] = routeOf('acme.test', { version: 2 });
    if (tenant?.entity?.kind !== 'tenant' || host === undefined) throw new Error('no routes');
    const { entity } = tenant;
    if (what === 'held') registry.append({ ...tenant, entity: { ...entity, holds: ['operator'] } });
    else if (what === 'terminated') registry.append({ ...tenant, entity: { ...entity, state: 'terminated' } });
    else if (what === 'removed') registry.append(removal('tenant', tenant.key, 2));
    else registry.append(removal('host', host.key, 2));
    await tunnel.all();
    expect(other.closed || other.ended).toBe(false);
  });
});

describe('a move of a tenant', () => {
  it('holds its requests until the registry says where it is now, and gives the app there a context of that place', async () => {
    const folder = await temporaryFolder();
    const keysFile = join(folder, 'keys.json');
    await writeFile(keysFile, JSON.stringify({ keys: [await generateContextKey()] }), { mode: 0o600 });
    const contexts: { app: string; token: string }[] = [];
    const appOf = (name: string) =>
      startApp((request, response) => {
        contexts.push({ app: name, token: request.headers['burgage-context']?.toString() ?? '' });
        response.end(name);
      });
    const [shared, silo] = [await appOf('shared'), await appOf('silo')];
    const registry = new TestRegistry(folder);
    registry.append(upstreamOf(shared.address), upstreamOf(silo.address, { name: 'silo' }), ...routeOf('acme.test'));
    await registry.start();
    const metrics = createMetrics();
    const { port, admin, status } = await startService(registry, { contextKeysFile: keysFile, metrics });
    await eventually(async () => (await status()).inSync);
    const [route] = routeOf('acme.test');
    let version = 1;
    const say = async (fields: object) => {
      version += 1;
      if (route?.entity?.kind === 'tenant') registry.append({ ...route, version, entity: { ...route.entity, ...fields } });
      await eventually(() => registry.acks.at(-1)?.revision === registry.journal.length);
    };
    const waiting = () => metricValue(metrics, 'burgage_gateway_requests_held');
    const places = [
      { upstream: 'shared', isolation: 'bridge', entitlementVersion: 2 },
      { upstream: 'silo', isolation: 'silo', entitlementVersion: 3 },
      // The same version once more, as after an older copy of the registry's store was restored.
      { upstream: 'silo', isolation: 'bridge', entitlementVersion: 3 },
      { upstream: 'shared', isolation: 'pool', entitlementVersion: 4 },
    ] as const;
    await get(port, 'acme.test');
    for (const [index, place] of places.entries()) {
      await say({ ...(places[index - 1] ?? {}), moving: true });
      const held = get(port, 'acme.test');
      await eventually(async () => (await waiting()) === 1);
      expect(contexts).toHaveLength(index + 1);
      await say({ ...place, moving: true });
      expect(await waiting()).toBe(1);
      await say(place);
      await held;
      const { app, token } = contexts[index + 1] ?? { app: '', token: '' };
      expect(app).toBe(place.upstream);
      const verifier = createContextVerifier({ jwksUrl: `${admin}/jwks.json`, audience: place.upstream });
      expect(await verifier.tenant(token)).toMatchObject({
        isolation: place.isolation,
        entitlementVersion: place.entitlementVersion,
      });
    }
    expect(await metricValue(metrics, 'burgage_gateway_requests_held_total', { outcome: 'served' })).toBe(places.length);
  });
});

describe('the tenant context', () => {
  it('is signed for the tenant and its upstream, verifiable by the published keys, and the same within a minute', async () => {
    const folder = await temporaryFolder();
    const keysFile = join(folder, 'keys.json');
    const tokens: (string | undefined)[] = [];
    const app = await startApp((request, response) => {
      tokens.push(request.headers['burgage-context']?.toString());
      response.end('app');
    });
    await writeFile(keysFile, JSON.stringify({ keys: [await generateContextKey()] }), { mode: 0o600 });
    const registry = new TestRegistry(folder);
    const api = routeOf('api.test', { tenantId: 'api' }).map((entry) =>
      entry.entity?.kind === 'tenant' ? { ...entry, entity: { ...entry.entity, platform: true, isolation: '' as const } } : entry,
    );
    registry.append(upstreamOf(app.address), ...routeOf('acme.test'), ...api);
    await registry.start();
    const { port, admin, status } = await startService(registry, { contextKeysFile: keysFile });
    await eventually(async () => (await status()).inSync);

    const verifier = createContextVerifier({ jwksUrl: `${admin}/jwks.json`, audience: 'shared' });
    await sendRaw(port, 'GET / HTTP/1.1\r\nHost: acme.test\r\nBurgage-Context: forged\r\nConnection: close\r\n\r\n');
    await get(port, 'acme.test');
    expect(tokens[1]).toBe(tokens[0]);
    expect(await verifier.tenant(tokens[0] ?? '')).toMatchObject({
      tenantId: 'ten_acme.test',
      name: 'Größe',
      color: '#336699',
      features: ['export'],
      limits: { requestsPerSecond: 1_000, concurrency: 100 },
      entitlementVersion: 1,
    });
    // A part of the platform gets none, and nobody else's either.
    await sendRaw(port, 'GET / HTTP/1.1\r\nHost: api.test\r\nBurgage-Context: forged\r\nConnection: close\r\n\r\n');
    expect(tokens[2]).toBeUndefined();
    // A new entitlement makes a new token at once.
    registry.append(...routeOf('acme.test', { version: 2 }));
    await eventually(() => registry.acks.at(-1)?.revision === registry.journal.length);
    await get(port, 'acme.test');
    expect(await verifier.tenant(tokens[3] ?? '')).toMatchObject({ entitlementVersion: 2 });
    // New keys are taken up without a restart; a file that cannot be read is not.
    const keyIds = async () => ((await (await fetch(`${admin}/jwks.json`)).json()) as { keys: { kid: string; d?: string }[] }).keys;
    const [before] = await keyIds();
    expect(before?.d).toBeUndefined();
    const next = await generateContextKey();
    await writeFile(keysFile, JSON.stringify({ keys: [next] }));
    await eventually(async () => (await keyIds())[0]?.kid === next.kid);
    await writeFile(keysFile, '{');
    await get(port, 'acme.test');
    expect((await keyIds())[0]?.kid).toBe(next.kid);
  });
});

describe('explain', () => {
  it('says what matched, whose it is, where it would go and what would be answered', async () => {
    const { registry, appAddress } = await startWorld();
    await registry.start();
    const { admin, status, explain } = await startService(registry);
    await eventually(async () => (await status()).inSync);
    expect(await explain('http://ACME.test:8080/path?x')).toEqual({
      url: 'http://ACME.test:8080/path?x',
      host: 'ACME.test:8080',
      normalizedHost: 'acme.test',
      epoch: '1.e',
      revision: 3,
      inSync: true,
      source: 'registry',
      match: { kind: 'exact', pattern: 'acme.test', tried: ['acme.test'] },
      tenant: {
        id: 'ten_acme.test',
        slug: 'acme',
        name: 'Größe',
        plan: 'trial',
        isolation: 'pool',
        state: 'active',
        holds: [],
        limits: { requestsPerSecond: 1_000, concurrency: 100, bodyBytesMax: 0 },
        features: ['export'],
        entitlementVersion: 1,
        platform: false,
        moving: false,
        inflight: 0,
      },
      upstream: { name: 'shared', endpoints: [{ address: appAddress, healthy: true, inflight: 0, weight: 1, zone: '' }] },
      endpoint: appAddress,
      answer: { status: 200, sentence: `It goes to the application at ${appAddress}.` },
    });
    expect(await explain('nobody.example.test')).toMatchObject({
      match: { kind: 'none', tried: ['nobody.example.test', '*.example.test', '**.example.test', '**.test'] },
      answer: { status: 404, code: 'host_unknown' },
    });
    expect(await explain('acme.test/_burgage/tenants/x')).toMatchObject({ answer: { status: 404, code: 'not_found' } });
    expect(await explain('http://a..b/')).toMatchObject({ normalizedHost: '', answer: { status: 400, code: 'bad_request' } });
    registry.append(...routeOf('lost.test', { upstream: 'nowhere' }));
    await eventually(async () => (await status()).revision === 5);
    expect(await explain('lost.test')).toMatchObject({
      upstream: { name: 'nowhere', endpoints: [] },
      answer: { status: 503, code: 'no_endpoint' },
    });
    expect((await fetch(`${admin}/explain?url=x`)).status).toBe(401);
    expect((await fetch(`${admin}/explain`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(422);
  });
});
