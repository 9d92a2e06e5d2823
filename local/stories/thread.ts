// The thread through the whole house: companies sign up, their own addresses answer, and neither sees the other's data.
import { stat } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, isAlive, Platform, type PlatformKind } from './platform.ts';

/** Declares the story for one way in which Burgage runs. */
export function threadStory(kind: () => PlatformKind): void {
  let platform: Platform;
  let red: { id: string; slug: string };
  let blue: { id: string; slug: string };

  beforeAll(async () => {
    platform = await Platform.start(kind());
    // Both at once.
    [red, blue] = await Promise.all([
      platform.createTenant('Rote Möbel GmbH', 'red@owner.test'),
      platform.createTenant('Blaue Möbel AG', 'blue@owner.test'),
    ]);
  }, 60_000);

  afterAll(() => platform?.remove());

  describe('sign-up', () => {
    test('gives each company an address of its own that answers in its name', async () => {
      expect([red.slug, blue.slug]).toEqual(['rote-mobel', 'blaue-mobel']);
      for (const [tenant, company] of [
        [red, 'Rote Möbel GmbH'],
        [blue, 'Blaue Möbel AG'],
      ] as const) {
        const page = await platform.ask(tenant.slug, '/', { headers: { accept: 'text/html' } });
        expect(page.status).toBe(200);
        expect(page.headers['content-type']).toContain('text/html');
        expect(page.body).toContain(company);
      }
    });

    test('shows every step with what it made, and those that were not needed', async () => {
      const list = await platform.cli('operations', 'list', '-o', 'json');
      const operations = JSON.parse(list.stdout).items;
      expect(operations).toHaveLength(2);
      for (const operation of operations) {
        expect(operation.state).toBe('succeeded');
        const states = Object.fromEntries(operation.steps.map((step: { name: string; state: string }) => [step.name, step.state]));
        expect(states).toEqual({
          slug: 'done',
          compute: 'not_needed',
          database: 'done',
          files: 'done',
          certificate: 'not_needed',
          dns: 'not_needed',
          route: 'done',
          owner: 'done',
          health: 'done',
          activate: 'done',
          mail: 'done',
        });
      }
    });

    test('is explained from host to endpoint', async () => {
      const explained = await platform.cli('explain', `http://${red.slug}.localhost:${platform.port}/`, '-o', 'json');
      const [{ explanation }] = JSON.parse(explained.stdout).gateways;
      expect(explanation).toMatchObject({
        normalizedHost: `${red.slug}.localhost`,
        inSync: true,
        match: { kind: 'exact' },
        tenant: { id: red.id, state: 'active' },
        upstream: { name: 'desk-shared' },
        answer: { status: 200 },
      });
      const nobody = JSON.parse((await platform.cli('explain', 'http://nobody.localhost/', '-o', 'json')).stdout).gateways[0].explanation;
      expect(nobody).toMatchObject({ match: { kind: 'none' }, answer: { status: 404, code: 'host_unknown' } });
    });

    test('answers a repeated idempotency key with the same tenant, and another body under it with a refusal', async () => {
      const create = (company: string) =>
        platform.cli(
          'tenants',
          'create',
          '--company',
          company,
          '--plan',
          'trial',
          '--owner',
          'k@owner.test',
          '--idempotency-key',
          'key-1',
          '--wait',
          '-o',
          'json',
        );
      const [first, second] = await Promise.all([create('Key Ltd'), create('Key Ltd')]);
      expect(JSON.parse(first.stdout).tenant.id).toBe(JSON.parse(second.stdout).tenant.id);
      const other = await create('Other Ltd');
      expect(other.code).not.toBe(0);
      expect(other.stderr).toContain('idempotency_key_reused');
    });

    test('gives the second company of a name a slug of its own', async () => {
      const again = await platform.createTenant('Rote Möbel GmbH');
      expect(again.slug).toMatch(/^rote-mobel-[a-z0-9]+$/);
      expect((await platform.ask(again.slug, '/')).status).toBe(200);
    });
  });

  describe('two tenants', () => {
    const password = 'a long enough password';
    let redToken: string;
    let blueToken: string;

    const as = (token: string) => ({ authorization: `Bearer ${token}` });

    beforeAll(async () => {
      redToken = await platform.signInAsOwner(red.slug, 'red@owner.test', password);
      blueToken = await platform.signInAsOwner(blue.slug, 'blue@owner.test', password);
    });

    test('see nothing of each other: not by id, list, search, nor with forged headers or the other one’s session', async () => {
      const created = await platform.ask(red.slug, '/api/contacts', {
        headers: as(redToken),
        json: { name: 'Rosa Geheim', email: 'rosa@secret.test' },
      });
      expect(created.status).toBe(201);
      const { id } = created.json<{ id: string }>();
      expect((await platform.ask(red.slug, `/api/contacts/${id}`, { headers: as(redToken) })).status).toBe(200);

      const hidden = (answer: Answer): void => {
        expect(answer.status).toBeGreaterThanOrEqual(200);
        expect(answer.body).not.toContain('Rosa');
        expect(answer.body).not.toContain('rosa@');
      };
      const byId = await platform.ask(blue.slug, `/api/contacts/${id}`, { headers: as(blueToken) });
      expect(byId.status).toBe(404);
      hidden(byId);
      for (const path of ['/api/contacts', '/api/contacts?q=Rosa', '/api/contacts?q=%25', '/api/usage']) {
        const answer = await platform.ask(blue.slug, path, { headers: as(blueToken) });
        expect(answer.status).toBe(200);
        hidden(answer);
      }
      // A session of the other tenant is worth nothing.
      expect((await platform.ask(red.slug, '/api/contacts', { headers: as(blueToken) })).status).toBe(401);
      // Nor are headers that only the gateway may set.
      const forged = {
        ...as(blueToken),
        'burgage-context': 'eyJhbGciOiJub25lIn0.e30.',
        'x-forwarded-host': `${red.slug}.localhost`,
        forwarded: `host=${red.slug}.localhost`,
        'x-burgage-tenant': red.id,
        'burgage-tenant': red.id,
      };
      const list = await platform.ask(blue.slug, '/api/contacts', { headers: forged });
      expect(list.status).toBe(200);
      hidden(list);
    });

    test('cannot reach the lifecycle endpoints of the app through the gateway', async () => {
      for (const headers of [{}, as(redToken), { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' }]) {
        const answer = await platform.ask(red.slug, `/_burgage/tenants/${blue.id}`, { method: 'DELETE', headers });
        expect([401, 403, 404]).toContain(answer.status);
      }
      expect((await platform.ask(blue.slug, '/api/contacts', { headers: as(blueToken) })).status).toBe(200);
    });

    test('are each told how many requests a second their plan allows', async () => {
      const answers = await Promise.all(Array.from({ length: 80 }, () => platform.ask(blue.slug, '/healthz')));
      const refused = answers.filter((answer) => answer.status === 429);
      expect(refused.length).toBeGreaterThan(0);
      expect(refused.every((answer) => answer.headers['retry-after'] !== undefined)).toBe(true);
      // The neighbour does not notice.
      expect((await platform.ask(red.slug, '/')).status).toBe(200);
    });
  });

  describe('the platform', () => {
    test('serves its API through the gateway under its own host, and refuses whoever has no token', async () => {
      expect((await platform.ask('api', '/v1/openapi.json')).json()).toMatchObject({ openapi: expect.stringMatching(/^3\.1/) });
      const refused = await platform.ask('api', '/v1/tenants');
      expect(refused.status).toBe(401);
      expect(refused.json()).toMatchObject({ code: 'unauthenticated' });
    });

    test('refuses what it cannot do, naming the field and changing nothing', async () => {
      const before = JSON.parse((await platform.cli('tenants', 'list', '-o', 'json')).stdout).items.length;
      for (const [args, code] of [
        [['--company', 'A Co', '--plan', 'gold', '--owner', 'a@b.test'], 'unknown_plan'],
        [['--company', 'A Co', '--plan', 'trial', '--owner', 'not an address'], 'invalid_argument'],
        [['--company', 'A Co', '--plan', 'trial', '--owner', 'a@b.test', '--slug', 'api'], 'slug_reserved'],
        [['--company', 'A Co', '--plan', 'trial', '--owner', 'a@b.test', '--slug', 'rote-mobel'], 'slug_taken'],
      ] as const) {
        const result = await platform.cli('tenants', 'create', ...args);
        expect(result.code, `${args}`).not.toBe(0);
        expect(result.stderr).toContain(`[${code}]`);
      }
      const unknown = await platform.cli('tenants', 'get', 'nobody');
      expect(unknown.stderr).toContain('[tenant_not_found]');
      expect(JSON.parse((await platform.cli('tenants', 'list', '-o', 'json')).stdout).items).toHaveLength(before);
    });

    test('keeps its secrets to their owner and out of its logs', async () => {
      for (const file of ['admin-token', 'internal-token', 'context-keys.json', 'archive-key']) {
        expect((await stat(`${platform.data}/secrets/${file}`)).mode & 0o777).toBe(0o600);
      }
      expect((await stat(`${platform.data}/secrets`)).mode & 0o777).toBe(0o700);
      const { readdir, readFile } = await import('node:fs/promises');
      const token = (await readFile(`${platform.data}/secrets/admin-token`, 'utf8')).trim();
      for (const log of await readdir(`${platform.data}/logs`, { recursive: true, withFileTypes: true })) {
        if (!log.isFile()) continue;
        const text = await readFile(`${log.parentPath}/${log.name}`, 'utf8');
        expect(text).not.toContain(token);
        expect(text).not.toMatch(/welcome\?token=[A-Za-z0-9]/);
      }
      for (const name of platform.processNames) {
        const commandLine = await readFile(`/proc/${await platform.pidOf(name)}/cmdline`, 'utf8').catch(() => '');
        expect(commandLine).not.toContain(token);
      }
    });

    test('refuses a second start on its folder, and one on its port', async () => {
      await expect(platform.startAgain()).rejects.toThrow(/data_folder_in_use/);
      await expect(Platform.start(platform.kind, { port: platform.port })).rejects.toThrow(/port_taken/);
    });

    test('stops everything it started, and carries on with every tenant when it starts again', async () => {
      const pids = await Promise.all(platform.processNames.map((name) => platform.pidOf(name)));
      expect(await platform.stop()).toBe(0);
      expect(pids.filter(isAlive)).toEqual([]);
      platform = await platform.startAgain();
      expect((await platform.ask(red.slug, '/')).status).toBe(200);
      expect((await platform.cli('tenants', 'get', blue.slug)).code).toBe(0);
    });
  });
}
