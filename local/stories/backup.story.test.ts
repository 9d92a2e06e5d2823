// The whole of a Burgage is lost and comes back: a backup while it works, and a restore into an empty place.
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Platform, until } from './platform.ts';

const password = 'a long enough password';

interface Guest {
  readonly slug: string;
  readonly email: string;
}

describe('the backup of a Burgage that works', () => {
  let platform: Platform;
  let pool: Guest;
  let bridge: Guest;
  let silo: Guest;
  let half: Guest;
  let file: string;
  /** Contacts whose writing was acknowledged before the backup began. */
  const before = new Map<Guest, string[]>();
  const writers: { stop: () => Promise<void> }[] = [];

  const signUp = async (company: string, plan: string, email: string): Promise<Guest> => {
    const args = ['tenants', 'create', '--company', company, '--plan', plan, '--owner', email, '--wait', '-o', 'json'];
    const created = await platform.cli(...args);
    if (created.code !== 0) throw new Error(created.stderr);
    return { slug: JSON.parse(created.stdout).tenant.slug, email };
  };

  const as = (token: string) => ({ authorization: `Bearer ${token}` });

  /** Writes contacts one after the other, until told to stop. */
  function keepWriting({ slug }: Guest, token: string, acknowledged: string[]): { stop: () => Promise<void> } {
    let stopped = false;
    const writing = (async () => {
      for (let n = 0; !stopped; n++) {
        const name = `Contact ${n}`;
        const answer = await platform.ask(slug, '/api/contacts', { headers: as(token), json: { name } });
        if (answer.status === 201) acknowledged.push(name);
        // The plan's own limit.
        else if (answer.status !== 429) throw new Error(`${answer.status} ${answer.body}`);
        await new Promise((wake) => setTimeout(wake, 200));
      }
    })();
    // Told when it is stopped.
    writing.catch(() => undefined);
    return {
      async stop() {
        stopped = true;
        await writing;
      },
    };
  }

  async function signIn({ slug, email }: Guest): Promise<string> {
    const session = await platform.ask(slug, '/api/session', { json: { email, password } });
    expect(session.status, session.body).toBe(201);
    return session.json<{ token: string }>().token;
  }

  async function namesOf({ slug }: Guest, token: string): Promise<readonly string[]> {
    const names: string[] = [];
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const answer = await platform.ask(slug, `/api/contacts?limit=100${cursor && `&cursor=${cursor}`}`, { headers: as(token) });
      expect(answer.status, answer.body).toBe(200);
      const page: { items: { name: string }[]; nextCursor?: string } = answer.json();
      names.push(...page.items.map(({ name }) => name));
      cursor = page.nextCursor;
    }
    return names;
  }

  beforeAll(async () => {
    platform = await Platform.start();
    file = `${platform.data}.backup`;
    pool = await signUp('Red Ltd', 'trial', 'red@owner.test');
    bridge = await signUp('Blue Ltd', 'starter', 'blue@owner.test');
    silo = await signUp('Green Ltd', 'professional', 'green@owner.test');
    for (const guest of [pool, bridge, silo]) {
      const token = await platform.signInAsOwner(guest.slug, guest.email, password);
      const acknowledged: string[] = [];
      writers.push(keepWriting(guest, token, acknowledged));
      await until(`${guest.slug} has contacts`, async () => acknowledged.length >= 3);
      before.set(guest, acknowledged);
    }
    // One operation is half way, and stays so.
    half = await signUp('Half Ltd', 'trial', 'half@owner.test');
    const closing = await platform.cli('tenants', 'terminate', half.slug, '--confirm', half.slug);
    expect(closing, closing.stderr).toMatchObject({ code: 0 });
    await until('the tenant is being closed', async () => (await platform.ask(half.slug, '/')).status === 403);
    for (const [guest, acknowledged] of before) before.set(guest, [...acknowledged]);
    const made = await platform.cli('backup', '--to', file);
    expect(made, made.stderr).toMatchObject({ code: 0 });
    for (const writer of writers) await writer.stop();
    const running = await platform.cli('restore', file, '--replace');
    expect([running.code, running.stderr]).toEqual([4, expect.stringContaining('[data_folder_in_use]')]);
    expect(await platform.stop()).toBe(0);
    await rm(platform.data, { recursive: true });
  }, 90_000);

  afterAll(async () => {
    await Promise.allSettled(writers.map((writer) => writer.stop()));
    await platform?.remove();
    await rm(file, { force: true });
  });

  test('is found out where a byte of it is another one, and puts nothing in place', async () => {
    const bytes = await readFile(file);
    const middle = bytes.length >> 1;
    await writeFile(`${file}.damaged`, bytes.with(middle, (bytes[middle] ?? 0) ^ 1));
    for (const args of [[], ['--check']]) {
      const refused = await platform.cli('restore', `${file}.damaged`, ...args);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('[data_corrupt]')]);
    }
    await rm(`${file}.damaged`);
    await expect(readFile(join(platform.data, 'format.json'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('brings every tenant back, with all that was acknowledged before it, and what was half way goes on', async () => {
    const restored = await platform.cli('restore', file);
    expect(restored, restored.stderr).toMatchObject({ code: 0 });
    platform = await platform.startAgain();
    for (const guest of [pool, bridge, silo]) {
      await until(`${guest.slug} answers`, async () => (await platform.ask(guest.slug, '/healthz')).status === 200);
      const names = await namesOf(guest, await signIn(guest));
      expect(before.get(guest)?.length).toBeGreaterThanOrEqual(3);
      expect(names).toEqual(expect.arrayContaining(before.get(guest) ?? []));
      // And it can be worked on.
      const token = await signIn(guest);
      expect((await platform.ask(guest.slug, '/api/contacts', { headers: as(token), json: { name: 'After' } })).status).toBe(201);
    }
    const { items } = JSON.parse((await platform.cli('operations', 'list', '--tenant', half.slug, '-o', 'json')).stdout);
    const closing = items.find(({ kind }: { kind: string }) => kind === 'terminate');
    const cancelled = await platform.cli('operations', 'cancel', closing.id, '--wait');
    expect(cancelled, cancelled.stderr).toMatchObject({ code: 0 });
    expect((await platform.ask(half.slug, '/')).status).toBe(200);
    expect(JSON.parse((await platform.cli('orphans', '-o', 'json')).stdout).items).toEqual([]);
    // Operations go on from there: nobody has seen a later token than the copy knows.
    const suspended = await platform.cli('tenants', 'suspend', pool.slug, '--wait');
    expect(suspended, suspended.stderr).toMatchObject({ code: 0 });
    expect((await platform.ask(pool.slug, '/')).status).toBe(403);
  }, 60_000);

  test('can be made again while nothing runs, and put where the folder is', async () => {
    await platform.stop();
    expect(await platform.cli('backup', '--to', file, '--force')).toMatchObject({ code: 0 });
    const restored = await platform.cli('restore', file, '--replace', '-o', 'json');
    expect(restored, restored.stderr).toMatchObject({ code: 0 });
    await rm(JSON.parse(restored.stdout).before, { recursive: true });
    // Under another name.
    await rename(platform.data, `${platform.data}-2`);
    platform = await Platform.start(platform.kind, { data: `${platform.data}-2` });
    for (const { slug } of [bridge, silo])
      await until(`${slug} answers`, async () => (await platform.ask(slug, '/healthz')).status === 200);
    expect((await platform.ask(pool.slug, '/')).status).toBe(403);
  }, 60_000);
});
