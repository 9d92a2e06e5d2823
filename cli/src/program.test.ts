// The command as a child process against the real api: what it prints, where, and how it ends.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { endedProcess, leadTo, type Platform, startPlatform, steady, typed } from '../test/platform.ts';

let platform: Platform;
beforeEach(async () => {
  platform = await startPlatform();
});
afterEach(() => platform.stop());

const run = (...args: string[]) => platform.run(args);
const create = (...more: string[]) =>
  run('tenants', 'create', '--company', 'Größe & Söhne GmbH', '--plan', 'trial', '--owner', 'owner@acme.test', ...more);
const apiAnswer = async (path: string): Promise<unknown> => (await platform.ask(path)).json();

describe('reading', () => {
  beforeEach(async () => {
    await create('--idempotency-key', 'order-1');
    platform.registry.addGateway('gw-1', await platform.gatewayAdmin(), { snapshotHeld: true });
  });
  const operationId = () => platform.provisioner.operations[0]?.operation.id ?? '';

  test('every read as JSON is exactly the answer of the API, and nothing else', async () => {
    const reads: [string[], string][] = [
      [['tenants', 'list'], '/v1/tenants'],
      [['tenants', 'get', 'grosse-sohne'], '/v1/tenants/grosse-sohne'],
      [['operations', 'list', '--tenant', 'grosse-sohne'], '/v1/operations?tenant=grosse-sohne'],
      [['operations', 'get', operationId()], `/v1/operations/${operationId()}`],
      [['gateways', 'list'], '/v1/gateways'],
      [['explain', 'http://acme.localhost/'], '/v1/explain?url=http://acme.localhost/'],
      [['plans'], '/v1/plans'],
      [['orphans'], '/v1/orphans'],
      [['audit', 'list'], '/v1/audit'],
    ];
    for (const [args, path] of reads) {
      const { code, stdout, stderr } = await run(...args, '-o', 'json');
      expect([code, stderr], args.join(' ')).toEqual([0, '']);
      expect(JSON.parse(stdout), args.join(' ')).toEqual(await apiAnswer(path));
    }
  });

  test('tables', async () => {
    expect(steady((await run('tenants', 'list')).stdout)).toBe(
      [
        'SLUG          COMPANY             PLAN   ISOLATION  STATE   AGE  URL',
        'grosse-sohne  Größe & Söhne GmbH  trial  pool       active 0s  http://grosse-sohne.localhost:8080',
        '',
      ].join('\n'),
    );
    const operations = (await run('operations', 'list')).stdout;
    expect(operations).toMatch(
      /^OPERATION +TENANT +WHAT +STATE +STEPS +TOOK +AGE\nop_provision_\w+ +grosse-sohne +provision +succeeded +10\/10 +\d+ ms +\d+s\n$/,
    );
    expect((await run('gateways', 'list')).stdout).toMatch(
      /^GATEWAY +ADMIN +REVISION +STATE +SEEN\ngw-1 +127\.0\.0\.1:\d+ +42 +holds a snapshot back +\d+s ago\n$/,
    );
    platform.registry.addGateway('gw-2', '', { twin: { bootId: 'other', adminAddress: '127.0.0.1:9303' } });
    expect((await run('gateways', 'list')).stdout).toMatch(
      /\ngw-2 +42 +in sync; another one \(127\.0\.0\.1:9303\) has the same id +\d+s ago\n$/,
    );
    expect((await run('plans')).stdout).toBe(
      [
        'PLAN     TITLE     PRICE  ISOLATION  REQUESTS/S  AT ONCE  TRIAL',
        'trial    Trial     $0.00  pool               20       20  15 days',
        'starter  Starter  $99.00  bridge             20       20',
        '',
      ].join('\n'),
    );
    expect((await run('audit', 'list')).stdout).toMatch(
      /^# {2}AGE +WHO +WHAT +TARGET +OUTCOME +REQUEST\n1 +\d+s +admin +tenant\.create +grosse-sohne +succeeded +\w{26}\n$/,
    );
  });

  test('one tenant and one operation', async () => {
    const tenant = steady((await run('tenants', 'get', 'grosse-sohne')).stdout);
    expect(tenant).toContain('tenant     ten_ID\nslug       grosse-sohne\nurl        http://grosse-sohne.localhost:8080\n');
    expect(tenant).toContain('created    TIME (0s ago)\n');
    const operation = steady((await run('operations', 'get', operationId())).stdout);
    expect(operation).toContain(
      'operation  op_provision_ID\nkind       provision\ntenant     grosse-sohne (ten_ID)\nstate      succeeded\n',
    );
    expect(operation).toMatch(/\n {3}STEP +STATE +TRIES +TOOK +DETAIL\n✔ {2}slug +done +1 +SOME TIME +grosse-sohne\n/);
  });

  test('requests are shown as they are answered, one line each, until there are enough', async () => {
    const { code, stdout } = await run('tap', '--host', 'acme.localhost', '-n', '3');
    expect([code, stdout]).toEqual([
      0,
      [
        '00:00:00.000 200 GET acme.localhost/host=acme.localhost 1.3 ms',
        '00:00:00.000 404 GET acme.localhost/host=acme.localhost 1.3 ms',
        '00:00:00.000 502 GET acme.localhost/host=acme.localhost 1.3 ms upstream_unreachable',
        '',
      ].join('\n'),
    ]);
    const json = (await run('tap', '-n', '2', '-o', 'json')).stdout.trim().split('\n');
    expect(json.map((line) => JSON.parse(line))).toMatchObject([
      { gateway: 'gw-1', status: 200 },
      { gateway: 'gw-1', status: 404 },
    ]);
  });

  test('Ctrl-C ends a tap, and is no failure; what was left out is said', async () => {
    const { code, stderr } = await platform.run(['tap'], {
      onOutput: (text, interrupt) => {
        if (text.includes('502')) setTimeout(interrupt, 200);
      },
    });
    expect([code, stderr]).toEqual([0, '7 more of gw-1 were not shown: they came too fast\n']);
  });

  test('an address is explained, with or without a scheme', async () => {
    const { stdout, code } = await run('explain', 'acme.localhost:8080');
    expect(code).toBe(0);
    expect(stdout).toBe(
      [
        'gateway gw-1',
        'answer    from the application: It goes to the application at 127.0.0.1:9100.',
        'host      acme.localhost:8080, as acme.localhost',
        'matched   acme.localhost (exact)',
        'routes    revision 42, in sync, from the registry',
        'tenant    acme (ten_1), Acme',
        'state     active, no holds',
        'plan      trial, pool',
        'limits    20 requests a second, 20 at once (0 now)',
        'features  contacts',
        'upstream  desk-shared',
        'endpoint  127.0.0.1:9100 (in good standing, 0 in flight, a request would go here)',
        '',
      ].join('\n'),
    );
    expect((await run('explain', 'http://nobody.localhost/')).stdout).toContain(
      'matched  nothing of nobody.localhost, *.localhost, **.localhost\n',
    );
  });

  test('an address that would not come to a gateway is said to be so', async () => {
    expect((await run('explain', 'https://acme.localhost/')).stdout).toMatch(
      /\n\nnote: This address asks https, port 443; tenants are served at http, port 8080\.\n$/,
    );
  });

  test('a sign-up that is repeated under its key is told from the first in the audit', async () => {
    await create('--idempotency-key', 'order-1');
    expect((await run('audit', 'list')).stdout).toMatch(/tenant\.create +grosse-sohne +repeated .*\n1 .* succeeded /);
  });

  test('a snapshot is accepted', async () => {
    expect(await run('gateways', 'accept-snapshot', 'gw-1')).toEqual({
      code: 0,
      stdout: 'The gateway gw-1 applies the snapshot.\n',
      stderr: '',
    });
  });

  test('a page says how to see the next', async () => {
    await run('tenants', 'create', '--company', 'Two', '--plan', 'trial', '--owner', 'o@two.test');
    const { stdout, stderr } = await run('tenants', 'list', '--page-size', '1');
    expect(stdout.trim().split('\n')).toHaveLength(2);
    const token = /--page-token (\S+)/.exec(stderr)?.[1] ?? '';
    expect((await run('tenants', 'list', '--page-size', '1', '--page-token', token)).stdout).toContain('grosse-sohne');
  });
});

describe('failing', () => {
  const cases: [string, number, string, string[]][] = [
    ['an unknown plan', 2, 'unknown_plan', ['tenants', 'create', '--company', 'A', '--plan', 'gold', '--owner', 'a@b.test']],
    ['nothing given', 2, 'invalid_argument', ['tenants', 'create']],
    ['an unknown tenant', 3, 'tenant_not_found', ['tenants', 'get', 'nobody']],
    ['an unknown operation', 3, 'operation_not_found', ['operations', 'get', 'op_1']],
    ['an unknown operation to watch', 3, 'operation_not_found', ['operations', 'watch', 'op_1']],
    ['an end without a confirmation', 2, 'confirmation_missing', ['tenants', 'terminate', 'acme']],
    ['an unknown gateway', 3, 'gateway_not_found', ['gateways', 'accept-snapshot', 'gw-9']],
    ['no gateway to ask', 6, 'no_gateway', ['explain', 'http://acme.localhost']],
    ['a snapshot that nobody holds', 4, 'snapshot_not_held', ['gateways', 'accept-snapshot', 'gw-1']],
    ['nothing to explain', 2, 'invalid_argument', ['explain', '']],
    ['an unknown plan to list', 2, 'unknown_plan', ['tenants', 'list', '--plan', 'gold']],
    ['a bad page size', 2, 'invalid_argument', ['tenants', 'list', '--page-size', 'x']],
    ['a bad page token', 2, 'invalid_page_token', ['audit', 'list', '--page-token', 'x']],
  ];
  test.each(cases)('%s ends with %i and [%s]', async (_name, code, errorCode, args) => {
    if (errorCode === 'snapshot_not_held') platform.registry.addGateway('gw-1', await platform.gatewayAdmin());
    const plain = await run(...args);
    expect([plain.code, plain.stdout]).toEqual([code, '']);
    expect(plain.stderr).toContain(`[${errorCode}]`);
    expect(plain.stderr).toContain('  what to do: ');
    const json = await run(...args, '-o', 'json');
    expect([json.code, json.stdout]).toEqual([code, '']);
    expect(JSON.parse(json.stderr)).toMatchObject({ code: errorCode, title: expect.any(String), advice: expect.any(String) });
  });

  test('fields are called as the user typed them, all at once', async () => {
    const { stderr } = await run('tenants', 'create', '--company', ' ', '--plan', 'gold', '--owner', 'nobody', '--idempotency-key', 'a b');
    for (const flag of ['--company', '--plan', '--owner', '--idempotency-key']) expect(stderr).toMatch(new RegExp(`^  ${flag}: `, 'm'));
  });

  test('a taken slug ends with 4', async () => {
    await create('--slug', 'acme');
    expect((await create('--slug', 'acme')).code).toBe(4);
  });

  test.each([
    [['tenats'], '(Did you mean tenants?)'],
    [['tenants', 'lst'], '(Did you mean list?)'],
    [['tenants', 'create', '--plam', 'x'], '(Did you mean --plan?)'],
    [['tenants', 'get'], "missing required argument 'tenant'"],
    [['tenants', 'plan', 'acme'], "missing required argument 'plan'"],
    [['tenants', 'suspend'], "missing required argument 'tenant'"],
    [['tenants', 'move', 'acme', 'silo'], 'too many arguments'],
    [['plans', '-o', 'yaml'], 'Allowed choices are table, json'],
    [[], 'Usage: burgage'],
    [['tenants'], 'Usage: burgage tenants'],
  ])('the command line %j ends with 2 and says what was meant', async (args, said) => {
    const { code, stdout, stderr } = await run(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(said);
  });

  test.each([
    [['tenats'], "unknown command 'tenats' (Did you mean tenants?)"],
    [['tenants', 'create', '--plam', 'x'], "unknown option '--plam' (Did you mean --plan?)"],
    [['tenants', 'get'], "missing required argument 'tenant'"],
  ])('with -o json the command line %j is refused as JSON', async (args, detail) => {
    for (const output of [['-o', 'json'], ['--output=json'], ['-ojson']]) {
      const { code, stdout, stderr } = await run(...args, ...output);
      expect([code, stdout]).toEqual([2, '']);
      expect(JSON.parse(stderr)).toMatchObject({ type: 'urn:burgage:error:command_invalid', code: 'command_invalid', detail });
    }
  });

  test('a wrong token ends with 5 and says where it came from', async () => {
    const file = join(platform.dataFolder, 'secrets', 'admin-token');
    const remote = await platform.run(['tenants', 'list', '--api', platform.url], { env: { BURGAGE_TOKEN: 'wrong' } });
    expect(remote.code).toBe(5);
    expect(remote.stderr).toContain('what to do: Check BURGAGE_TOKEN: the token that was sent comes from there.');
    await writeFile(file, 'two\nlines');
    expect((await run('tenants', 'list')).stderr).toContain(`What ${file} holds is no token.`);
    await writeFile(file, 'wrong');
    const { code, stderr } = await run('tenants', 'list');
    expect(code).toBe(5);
    expect(stderr).toContain('[unauthenticated]');
    expect(stderr).toContain(`what to do: Check ${file}: the token that was sent comes from there.`);
    expect(stderr).not.toContain('wrong\n');
  });

  test('a token file that is gone ends with 5 and names it', async () => {
    const file = join(platform.dataFolder, 'secrets', 'admin-token');
    await rm(file);
    const { code, stderr } = await run('tenants', 'list');
    expect(code).toBe(5);
    expect(stderr).toContain(file);
  });

  test('what does not run ends with 6, says which folder was looked at and what to do', async () => {
    const empty = join(platform.folder, 'empty');
    const missing = await run('tenants', 'list', '--data', empty);
    expect([missing.code, missing.stderr]).toEqual([
      6,
      `error: No Burgage runs on this data folder. [not_running]\n  Nothing runs on the data folder ${empty}.\n  what to do: Start it with npm start, or name its folder with --data.\n`,
    ]);
    await platform.api.stop();
    await leadTo(platform.dataFolder, platform.url, await endedProcess());
    const stopped = await run('tenants', 'list');
    expect(stopped.code).toBe(6);
    expect(stopped.stderr).toContain(`Nothing runs on the data folder ${platform.dataFolder}.`);
  });

  test.each([
    ['garbage', 'it is not JSON ('],
    ['[]', 'its api is missing'],
    ['null', 'it is not a JSON object'],
    ['{"api": 7}', 'its api is 7'],
    ['{"api": "http://127.0.0.1:1"}', 'its tokenFile is missing'],
    ['{"api": "http://127.0.0.1:1", "tokenFile": "t", "pid": -1}', 'its pid is -1'],
  ])('a runtime.json with %s is said to be so', async (content, why) => {
    const file = join(platform.dataFolder, 'runtime.json');
    await writeFile(file, content);
    const { code, stderr } = await run('tenants', 'list');
    expect(code).toBe(6);
    expect(stderr).toContain(`  ${file} does not say where a Burgage runs: ${why}`);
    expect(stderr).toContain('what to do: Start Burgage again');
  });

  test('a gateway alone that is started wrongly is refused with the flag', async () => {
    const { code, stderr } = await run('gateway', '--routes', join(platform.folder, 'nothing.ndjson'), '--port', '0', '--admin-port', '0');
    expect(code).toBe(2);
    expect(stderr).toContain('--routes');
  });
});

describe('help', () => {
  const commands = [
    [],
    ['tenants'],
    ['tenants', 'create'],
    ['tenants', 'list'],
    ['tenants', 'get'],
    ['tenants', 'suspend'],
    ['tenants', 'resume'],
    ['tenants', 'plan'],
    ['tenants', 'move'],
    ['tenants', 'terminate'],
    ['operations'],
    ['operations', 'list'],
    ['operations', 'get'],
    ['operations', 'watch'],
    ['operations', 'cancel'],
    ['operations', 'retry'],
    ['orphans'],
    ['gateways'],
    ['gateways', 'list'],
    ['gateways', 'accept-snapshot'],
    ['explain'],
    ['tap'],
    ['plans'],
    ['audit'],
    ['audit', 'list'],
  ];
  test('every command has one, with examples', async () => {
    for (const command of commands) {
      const { code, out, err } = await typed(platform, [...command, '--help']);
      expect([code, err], command.join(' ')).toEqual([0, '']);
      expect(out, command.join(' ')).toMatch(/\nExamples:\n {2}\$ burgage/);
    }
    const { code, stdout } = await run('gateway', '--help');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/\nExamples:\n {2}\$ burgage/)]);
  });

  test('the options that a sign-up needs are marked', async () => {
    const { stdout } = await run('tenants', 'create', '--help');
    for (const flag of ['--company <name>', '--plan <plan>', '--owner <email>']) expect(stdout).toMatch(new RegExp(`${flag} +required: `));
    expect(stdout.match(/required: /g)).toHaveLength(3);
  });

  test('the exit codes in the help and in docs/cli.md are the same', async () => {
    const { stdout } = await run('--help');
    const reference = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'cli.md'), 'utf8');
    const codes = [...stdout.matchAll(/^ +(\d+) {2}(.+)$/gm)].map(([, code, meaning]) => `| ${code} | ${meaning} |`);
    expect(codes).toHaveLength(9);
    for (const line of codes) expect(reference).toContain(line);
  });

  test('the version is that of the package', async () => {
    const manifest = JSON.parse(await readFile(join(import.meta.dirname, '..', 'package.json'), 'utf8'));
    expect((await run('--version')).stdout).toBe(`${manifest.version}\n`);
  });
});

/** The status that the gateway at `url` answers for `host`. */
function statusOf(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { host } }, (response) => resolve(response.resume().statusCode)).on('error', reject);
  });
}

test('the route file of docs/cli.md is served as written', async () => {
  const reference = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'cli.md'), 'utf8');
  const example = /```\n(# routes\.ndjson\n[^`]+)```/.exec(reference)?.[1] ?? '';
  const file = join(platform.folder, 'routes.ndjson');
  await writeFile(file, example);
  const asked: Promise<number | undefined>[] = [];
  const { stdout } = await platform.run(
    ['gateway', '--routes', file, '--port', '0', '--admin-port', '0', '--log-file', join(platform.folder, 'gateway.log')],
    {
      onOutput: (text, interrupt) => {
        const gateway = /^ready gateway (\S+)/m.exec(text)?.[1];
        if (gateway === undefined || asked.length > 0) return;
        const hosts = ['gone.old.example.com', 'late.example.com', 'nobody.example.com'];
        asked.push(...hosts.map((host) => statusOf(gateway, host)));
        Promise.allSettled(asked).then(interrupt);
      },
    },
  );
  expect(stdout).toContain('hosts 4');
  expect(await Promise.all(asked)).toEqual([410, 402, 404]);
});
