// Changing tenants from the command line: what is asked, what is shown, how it ends.

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { leadTo, type Platform, startPlatform, steady, typed } from '../../test/platform.ts';

let platform: Platform;
beforeEach(async () => {
  platform = await startPlatform();
  await run('tenants', 'create', '--company', 'Acme & Co', '--plan', 'trial', '--owner', 'owner@acme.test', '--slug', 'acme');
});
afterEach(() => platform.stop());

const run = (...args: string[]) => typed(platform, args);
const tenant = () => platform.registry.tenants[0] ?? platform.registry.find('acme');
const changes = () => platform.provisioner.operations.filter(({ operation }) => operation.kind !== 'provision');

describe.each([
  ['suspend', ['suspend', 'acme', '--hold', 'unpaid'], 'is being suspended (hold unpaid)', 'op_suspend_ID', ['✔ hold'], 'suspended'],
  ['resume', ['resume', 'acme'], 'is being resumed (hold operator)', 'op_resume_ID', ['✔ release'], 'resumed'],
  ['plan', ['plan', 'acme', 'trial'], 'is being put on another plan (trial → trial)', 'op_change_plan_ID', ['✔ plan'], 'changed'],
  [
    'move',
    ['move', 'acme', '--to', 'silo'],
    'is being moved (pool → silo)',
    'op_move_ID',
    ['check', 'compute', 'database', 'hold', 'freeze', 'copy', 'compare', 'switch', 'open', 'release', 'source', 'port'].map(
      (step) => `✔ ${step}`,
    ),
    'moved',
  ],
  [
    'terminate',
    ['terminate', 'acme', '--now', '--confirm', 'acme'],
    'is being closed, backed up and removed (at once)',
    'op_terminate_ID',
    ['begin', 'grace', 'freeze', 'backup', 'verify', 'route', 'compute', 'port', 'database', 'files', 'slug'].map((step) => `✔ ${step}`),
    'closed',
  ],
])('tenants %s', (_verb, args, told, operationId, steps, end) => {
  test('without waiting says what happens and how to follow it', async () => {
    platform.provisioner.mode = 'by_hand';
    const { code, out, err } = await run('tenants', ...args);
    expect(steady(out)).toBe(`acme ${told}\nfollow it with: burgage operations watch ${operationId}\n`);
    expect([code, err]).toEqual([0, '']);
  });

  test('with --wait shows each step and the end', async () => {
    const { code, out, err } = await run('tenants', ...args, '--wait');
    const place = end === 'closed' ? 'acme' : 'http://acme.localhost:8080';
    expect(steady(out)).toBe([...steps, `${end} in SOME TIME:  ${place}`, ''].join('\n'));
    expect([code, err]).toEqual([0, '']);
  });

  test('as JSON is the answer of the API, with --wait as it is in the end', async () => {
    const asked = await run('tenants', ...args, '-o', 'json', '--idempotency-key', 'k-1');
    const { operation } = JSON.parse(asked.out);
    expect(await (await platform.ask(`/v1/operations/${operation.id}`)).json()).toEqual(operation);
    // A tenant that has ended has its slug no longer: what repeats the request names it by its id.
    const again = args.map((word, i) => (i === 1 ? tenant().id : word));
    const waited = await run('tenants', ...again, '-o', 'json', '--idempotency-key', 'k-1', '--wait');
    expect([waited.code, Object.keys(JSON.parse(waited.out)).toSorted()]).toEqual([0, ['operation', 'tenant']]);
    expect(JSON.parse(waited.out).operation).toEqual(operation);
    expect(waited.err).toContain(`${steps[0]}\n`);
    expect(changes()).toHaveLength(1);
  });

  test('repeated under its key makes nothing twice and says how the first ended', async () => {
    await run('tenants', ...args, '--idempotency-key', 'k-1');
    const again = args.map((word, i) => (i === 1 ? tenant().id : word));
    const { out } = await run('tenants', ...again, '--idempotency-key', 'k-1');
    expect(steady(out)).toMatch(/^acme \([a-z →]+\): succeeded\nlook at it with: burgage operations get op_[a-z_]+_ID\n$/);
    expect(changes()).toHaveLength(1);
  });

  test('whose answer is lost leaves the advice to repeat it under the same key', async () => {
    const deaf = createServer((socket) => socket.once('data', () => socket.destroy()));
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    await leadTo(platform.dataFolder, `http://127.0.0.1:${(deaf.address() as AddressInfo).port}`);
    const { code, err } = await run('tenants', ...args);
    deaf.close();
    expect(code).toBe(6);
    expect(err).toMatch(/Repeat the command with --idempotency-key [0-9a-f-]{36}: then nothing is made twice\./);
  });
});

test.each([
  [['suspend', 'nobody'], 3, 'tenant_not_found', 'There is no tenant "nobody".'],
  [['terminate', 'nobody', '--yes'], 3, 'tenant_not_found', 'There is no tenant "nobody".'],
  [['suspend', 'acme', '--hold', 'bored'], 2, 'invalid_argument', '--hold: is "bored"; expected one of operator, unpaid, trial_ended'],
  [['resume', 'acme', '--hold', ''], 2, 'invalid_argument', '--hold: is ""; expected one of operator, unpaid, trial_ended'],
  [['plan', 'acme', 'gold'], 2, 'unknown_plan', 'plan: "gold" is not in the catalog litedesk; expected one of trial, starter'],
  [['move', 'acme'], 2, 'invalid_argument', '--to: is missing; expected one of pool, bridge, silo'],
  [['move', 'acme', '--to', 'gold'], 2, 'invalid_argument', '--to: is "gold"; expected one of pool, bridge, silo'],
  [['move', 'acme', '--to', 'pool'], 4, 'transition_not_allowed', '--to: got "pool", where the tenant lives already, expected another one'],
  [
    ['terminate', 'acme', '--confirm', 'acme2'],
    2,
    'confirmation_missing',
    '--confirm: is "acme2"; expected "acme", the slug of the tenant that is to end',
  ],
  [
    ['terminate', 'acme'],
    2,
    'confirmation_missing',
    '--confirm: is missing; without a terminal to ask on, expected the slug of the tenant',
  ],
  [
    ['suspend', 'acme', '--idempotency-key', 'a b'],
    2,
    'invalid_argument',
    '--idempotency-key: is "a b"; expected 1 to 255 visible ASCII characters',
  ],
])('tenants %j ends with %i and says why, in the words of the command line', async (args, code, errorCode, said) => {
  const refused = await run('tenants', ...args);
  expect([refused.code, refused.out]).toEqual([code, '']);
  expect(refused.err).toContain(`[${errorCode}]\n  ${said}\n  what to do: `);
  expect(changes()).toEqual([]);
});

describe('ending a tenant on a terminal', () => {
  const terminate = (answers: string[], ...more: string[]) => typed(platform, ['tenants', 'terminate', 'acme', ...more], answers);

  test('says what will happen and asks for the slug', async () => {
    const { code, screen } = await terminate([' acme ']);
    expect(steady(screen)).toBe(
      [
        'acme (Acme & Co) will be closed: its users are turned away at once. After 7 days it is backed up',
        'and removed; until then it can be taken back by cancelling the operation.',
        'Type acme to go on:  acme ',
        'acme is being closed (after 7 days)',
        'follow it with: burgage operations watch op_terminate_ID',
        '',
      ].join('\n'),
    );
    expect(code).toBe(0);
  });

  test('with --now says so', async () => {
    expect((await terminate(['acme'], '--now')).err).toMatch(
      /^acme \(Acme & Co\) will be closed at once: backed up, then removed\. This cannot be taken back\.\nType acme /,
    );
    expect(changes()[0]?.operation.summary).toBe('at once');
  });

  test.each([
    [['acne'], '"acne" is not acme: nothing was done.'],
    [['y'], '"y" is not acme: nothing was done.'],
    [[''], 'Nothing was typed: nothing was done.'],
    [[], 'Nothing was typed: nothing was done.'],
  ])('where %j is typed nothing is done, and it ends with 2', async (answers, said) => {
    const { code, err } = await terminate(answers);
    expect(code).toBe(2);
    expect(err).toContain(`[confirmation_missing]\n  ${said}\n  what to do: Repeat the command and type acme.\n`);
    expect(changes()).toEqual([]);
  });

  test('asks nothing with --confirm or --yes', async () => {
    platform.provisioner.mode = 'by_hand';
    for (const more of [['--confirm', 'acme'], ['--yes']]) {
      const { code, err } = await terminate([], ...more);
      expect([code, err]).toEqual([0, '']);
    }
  });
});

test('a tenant says what somebody may have to do about it, alone and below a list', async () => {
  await run('tenants', 'plan', 'acme', 'starter');
  expect((await run('tenants', 'plan', 'acme', 'starter', '--wait')).out).toMatch(
    /\n• acme: a move to bridge is pending: burgage tenants move acme --to bridge\n$/,
  );
  expect((await run('tenants', 'get', 'acme')).out).toContain(
    'isolation  pool (a move to bridge is pending: burgage tenants move acme --to bridge)\n',
  );
  const found = tenant();
  found.moving = true;
  platform.provisioner.addPossession({
    id: `instance/${found.id}`,
    kind: 'instance',
    tenantId: found.id,
    state: 'backing_off',
    restarts: 7,
    lastExit: 'ended with code 1',
  });
  expect(steady((await run('tenants', 'list')).out)).toBe(
    [
      'SLUG  COMPANY    PLAN     ISOLATION              STATE                     AGE  URL',
      'acme  Acme & Co  starter  pool (bridge pending)  active, moving, crashing 0s  http://acme.localhost:8080',
      '',
      '• acme: a move to bridge is pending: burgage tenants move acme --to bridge',
      '• acme: its process is backing off, started again 7 times, last time it ended with code 1',
      '',
    ].join('\n'),
  );
  found.moving = false;
  found.isolation = 'silo';
  found.pendingIsolation = '';
  found.isolationNote = 'Dedicated instances are switched off here.';
  const { out } = await run('tenants', 'get', 'acme');
  expect(out).toContain('state      active, crashing\n');
  expect(out).toContain(
    'isolation  silo\nnote       Dedicated instances are switched off here.\ninstance   backing off, started again 7 times, last time it ended with code 1\n',
  );
});

test('a tenant that is being closed says until when it can be taken back, and how; one that ended how long its slug is kept', async () => {
  await run('tenants', 'terminate', 'acme', '--yes');
  const { out } = await run('tenants', 'get', 'acme');
  expect(steady(out)).toContain(
    'state      terminating\nclosing    its data go at TIME (in DAYS); until then it is taken back with burgage operations cancel op_terminate_ID\n',
  );
  expect(steady((await run('tenants', 'list')).out)).toContain(
    '\n• acme: it is being closed; until when it can be taken back: burgage operations get op_terminate_ID\n',
  );
  platform.provisioner.graceOver = true;
  while (platform.provisioner.advance(changes()[0]?.operation.id ?? ''));
  expect(steady((await run('tenants', 'get', tenant().id)).out)).toContain(
    'slug       none (was acme, which nobody else gets until TIME)\n',
  );
});

test('what is waited for shows until when it waits, and goes on when the time has come', async () => {
  await run('tenants', 'terminate', 'acme', '--yes');
  const id = changes()[0]?.operation.id ?? '';
  const watched = run('operations', 'watch', id);
  platform.provisioner.graceOver = true;
  while (platform.provisioner.advance(id));
  const { code, out } = await watched;
  expect(code).toBe(0);
  expect(steady(out)).toMatch(/^✔ begin\n◷ grace {2}waiting, nothing is removed before TIME\n✔ grace\n✔ freeze\n/);
});

test('lifting one of several holds does not say that the tenant is served again', async () => {
  for (const hold of ['operator', 'unpaid']) await run('tenants', 'suspend', 'acme', '--hold', hold, '--wait');
  const first = await run('tenants', 'resume', 'acme', '--wait');
  expect(steady(first.out)).toContain('\nhold lifted in SOME TIME:  http://acme.localhost:8080 (still held: unpaid)\n');
  const last = await run('tenants', 'resume', 'acme', '--hold', 'unpaid', '--wait');
  expect(steady(last.out)).toContain('\nresumed in SOME TIME:  http://acme.localhost:8080\n');
});
