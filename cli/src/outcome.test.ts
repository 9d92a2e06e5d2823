// Signing up and following operations from the command line, through breaks, restarts and Ctrl-C.
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { leadTo, type Platform, startPlatform, steady } from '../test/platform.ts';

let platform: Platform;
beforeEach(async () => {
  platform = await startPlatform();
});
afterEach(() => platform.stop());

const run = (...args: string[]) => platform.run(args);
const create = (...more: string[]) =>
  run('tenants', 'create', '--company', 'Größe & Söhne GmbH', '--plan', 'trial', '--owner', 'owner@acme.test', ...more);

describe('signing up', () => {
  test('without waiting says what happens and how to follow it', async () => {
    const { code, stdout, stderr } = await create();
    expect(steady(stdout)).toBe(
      'grosse-sohne is being made, usually within SOME TIME:  http://grosse-sohne.localhost:8080\nfollow it with: burgage operations watch op_provision_ID\n',
    );
    expect([code, stderr]).toEqual([0, '']);
  });

  test('a command that is advised can be typed as the user typed theirs', async () => {
    const npx = { npm_lifecycle_event: 'npx', npm_lifecycle_script: 'burgage' };
    const advised = /follow it with: (.+) operations watch op_provision_/;
    const signUp = (company: string, ...more: string[]) => [
      'tenants',
      'create',
      '--company',
      company,
      '--plan',
      'trial',
      '--owner',
      'a@b.test',
      ...more,
    ];
    const viaNpx = await platform.run(signUp('One'), { env: npx });
    expect(advised.exec(viaNpx.stdout)?.[1]).toBe('npx burgage');
    const named = await platform.run(signUp('Two', '--data', platform.dataFolder), { cwd: '/', env: npx });
    expect(advised.exec(named.stdout)?.[1]).toBe(`npx burgage --data ${platform.dataFolder}`);
    platform.provisioner.failingStep = 'health';
    const failed = await platform.run(signUp('Three', '--wait', '--data', platform.dataFolder), { env: npx });
    expect(failed.stderr).toContain(`what to do: npx burgage --data ${platform.dataFolder} operations get op_provision_`);
    expect((await platform.run(['plans', '--help'], { env: npx })).stdout).toContain('  $ npx burgage plans -o json\n');
  });

  test('with --wait prints a line a step where there is no terminal, and the address at the end', async () => {
    const { code, stdout, stderr } = await create('--wait');
    expect(steady(stdout)).toBe(
      [
        '✔ slug  grosse-sohne',
        '✔ database',
        '✔ files',
        '– certificate  not needed',
        '– dns  not needed',
        '✔ route',
        '✔ owner',
        '✔ health',
        '✔ activate',
        '✔ mail',
        'live in SOME TIME:  http://grosse-sohne.localhost:8080',
        '',
      ].join('\n'),
    );
    expect([code, stderr]).toEqual([0, '']);
  });

  test('as JSON is exactly what the API answers', async () => {
    const { stdout } = await create('-o', 'json', '--idempotency-key', 'order-1');
    const repeated = await platform.ask('/v1/tenants', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'order-1' },
      body: JSON.stringify({ company: 'Größe & Söhne GmbH', plan: 'trial', owner: 'owner@acme.test' }),
    });
    expect(Object.keys(JSON.parse(stdout))).toEqual(Object.keys((await repeated.json()) as object));
    expect(platform.registry.tenants).toHaveLength(1);
  });

  test('as JSON with --wait is the answer as it is in the end, and the steps go to standard error', async () => {
    const { stdout, stderr, code } = await create('-o', 'json', '--wait');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      url: 'http://grosse-sohne.localhost:8080',
      tenant: { state: 'active' },
      operation: { state: 'succeeded' },
    });
    expect(stderr).toContain('✔ database\n');
  });

  test('an operation that fails ends with 7, its error and what to do', async () => {
    platform.provisioner.failingStep = 'health';
    const { code, stdout, stderr } = await create('--wait');
    expect(code).toBe(7);
    expect(stdout).toContain('✖ health  failed, The application did not become healthy for this tenant. [app_unhealthy]\n');
    expect(steady(stderr)).toBe(
      [
        'error: The application did not become healthy for this tenant. [app_unhealthy]',
        '  The operation op_provision_ID did not succeed: The application did not become healthy for this tenant. (everything that it had done has been undone)',
        '  what to do: burgage operations get op_provision_ID shows each step and its error.',
        '',
      ].join('\n'),
    );
    const shown = (await run('operations', 'get', platform.provisioner.operations[0]?.operation.id ?? '')).stdout;
    expect(shown).toMatch(/^✖ {2}health +failed, undone .*\[app_unhealthy\]$/m);
    expect(shown).toMatch(/^↩ {2}slug +undone /m);
  });

  test('streams that break are taken up again: every step is shown once', async () => {
    platform.provisioner.entriesPerStream = 7;
    const { code, stdout } = await create('--wait');
    expect(code).toBe(0);
    expect(stdout.match(/^[✔–] \w+/gm)).toEqual([
      '✔ slug',
      '✔ database',
      '✔ files',
      '– certificate',
      '– dns',
      '✔ route',
      '✔ owner',
      '✔ health',
      '✔ activate',
      '✔ mail',
    ]);
  });

  test('a platform that is started again elsewhere meanwhile is found again', async () => {
    platform.provisioner.mode = 'by_hand';
    let restarted: Promise<void> | undefined;
    const restart = async () => {
      await platform.api.stop();
      await leadTo(platform.dataFolder, await platform.startAgain());
      const id = platform.provisioner.operations[0]?.operation.id ?? '';
      while (platform.provisioner.advance(id));
    };
    const pending = platform.run(['tenants', 'create', '--company', 'Acme', '--plan', 'trial', '--owner', 'o@acme.test', '--wait'], {
      onOutput: (stdout) => {
        if (stdout.includes('✔ slug')) restarted ??= restart();
      },
    });
    await expect.poll(() => platform.provisioner.operations.length, { timeout: 10_000 }).toBe(1);
    platform.provisioner.advance(platform.provisioner.operations[0]?.operation.id ?? '');
    const { code, stdout } = await pending;
    await restarted;
    expect(code).toBe(0);
    expect(stdout.match(/✔ slug/g)).toHaveLength(1);
    expect(stdout).toContain('http://acme.localhost:8080');
  });

  test('an answer that is lost leaves the advice to repeat under the same key', async () => {
    const deaf = createServer((socket) => socket.once('data', () => socket.destroy()));
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    const { port } = deaf.address() as AddressInfo;
    await leadTo(platform.dataFolder, `http://127.0.0.1:${port}`);
    const { code, stderr } = await create();
    deaf.close();
    expect(code).toBe(6);
    expect(stderr).toMatch(/Repeat the command with --idempotency-key [0-9a-f-]{36}: then nothing is made twice\./);
  });

  test('Ctrl-C leaves the operation running and says how to follow it again', async () => {
    platform.provisioner.mode = 'by_hand';
    const pending = platform.run(['tenants', 'create', '--company', 'Acme', '--plan', 'trial', '--owner', 'o@acme.test', '--wait'], {
      onOutput: (stdout, interrupt) => {
        if (stdout.includes('✔ slug')) interrupt();
      },
    });
    await expect.poll(() => platform.provisioner.operations.length, { timeout: 10_000 }).toBe(1);
    const id = platform.provisioner.operations[0]?.operation.id ?? '';
    platform.provisioner.advance(id);
    const { code, stderr } = await pending;
    expect(code).toBe(130);
    expect(stderr).toBe(`Interrupted. The operation goes on; follow it again with:\n  burgage operations watch ${id}\n`);
    while (platform.provisioner.advance(id));
    const watched = await run('operations', 'watch', id);
    expect(watched.code).toBe(0);
    expect(watched.stdout).toContain('http://acme.localhost:8080');
  });
});
