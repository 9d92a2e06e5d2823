import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'burgage-service-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A service that needs a file; what is in it says how building and starting end. It tells what it does on its output. */
async function startService(wantedAdminPort?: number): Promise<Service> {
  const script = join(folder, 'service.ts');
  const need = join(mkdtempSync(join(folder, 'need-')), 'need');
  const source = (name: string) => JSON.stringify(join(import.meta.dirname, name));
  writeFileSync(
    script,
    `import { existsSync, readFileSync } from 'node:fs';
     import { BurgageError } from ${JSON.stringify(join(import.meta.dirname, '../../contracts/src/index.ts'))};
     import { runService } from ${source('index.ts')};
     const need = process.env.NEED;
     const say = (said) => process.stdout.write(JSON.stringify({ said }) + '\\n');
     const missing = (what) => new BurgageError('unavailable', { message: 'store: ' + what + ' is not there' });
     await runService({
       name: 'fake',
       settings: {},
       async build(_, { opened }) {
         say('opened');
         opened.defer(() => say('closed'));
         if (!existsSync(need)) throw missing('the file');
         const how = readFileSync(need, 'utf8');
         if (how === 'nonsense') throw new BurgageError('config_invalid', { message: 'file: got nonsense, expected sense' });
         return {
           name: 'fake',
           start: async () => { if (how === 'starts later') throw missing('the start'); say('started'); },
           stop: async () => say('stopped'),
           address: () => 'here',
         };
       },
     });`,
  );
  const adminPort = wantedAdminPort ?? (await freePort());
  const env = { ...process.env, NEED: need };
  const child = spawn(process.execPath, [script, '--admin-port', String(adminPort)], { stdio: ['ignore', 'pipe', 'pipe'], env });
  children.push(child);
  const lines: Line[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  return {
    child,
    put: (how) => writeFileSync(need, how),
    said: () => lines.flatMap(({ said }) => (said === undefined ? [] : [said])),
    logged: (msg) => lines.filter((line) => line.msg === msg),
    errors: () => errors,
    exit: once(child, 'exit').then(([code]) => code),
    ready: async () => {
      const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined);
      return response === undefined ? undefined : { status: response.status, ...((await response.json()) as object) };
    },
  };
}

interface Line {
  readonly msg?: string;
  readonly said?: string;
}

interface Service {
  readonly child: ChildProcess;
  readonly exit: Promise<number>;
  /** Puts the file there that the service needs. */
  put(how: string): void;
  said(): string[];
  logged(msg: string): Line[];
  errors(): string;
  ready(): Promise<unknown>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Asks again, 500 times at most, until `holds`. */
async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not come true');
}

const waiting = 'waiting until what this service needs has come';

test('a service whose dependency is down waits, says so once for each thing that is missing in the log, and on /readyz, and goes on when it comes', async () => {
  const { child, put, said, logged, ready, exit } = await startService();
  await eventually(() => said().filter((line) => line === 'closed').length >= 2);
  expect(await ready()).toEqual({
    status: 503,
    ready: false,
    checks: { fake: { ready: false, reason: 'waiting for what it needs: store: the file is not there' } },
  });
  put('starts later');
  await eventually(() => said().includes('stopped'));
  await eventually(async () => JSON.stringify(await ready()).includes('store: the start is not there'));
  put('fine');
  await eventually(() => said().includes('started'));
  await eventually(async () => JSON.stringify(await ready()).includes('"status":200'));
  expect(logged(waiting)).toMatchObject([
    { level: 'warn', err: { message: 'store: the file is not there' } },
    { level: 'warn', err: { message: 'store: the start is not there' } },
  ]);
  expect(logged('what was missing has come')).toHaveLength(1);
  expect(logged('fake serves')).toMatchObject([{ address: 'here' }]);

  child.kill('SIGTERM');
  expect(await exit).toBe(0);
  // Everything that a try opened is closed, and once.
  const count = (what: string) => said().filter((line) => line === what).length;
  expect(count('opened')).toBe(count('closed'));
  expect(said().slice(-3)).toEqual(['started', 'stopped', 'closed']);
});

test('a service that waits ends at once when it is told to, as one that did its work', async () => {
  const { child, said, logged, errors, exit } = await startService();
  await eventually(() => logged(waiting).length === 1);
  child.kill('SIGTERM');
  expect(await exit).toBe(0);
  expect(said()).not.toContain('started');
  expect(errors()).toBe('');
});

test('any other error ends the process with its sentence, while it waits too', async () => {
  const { put, logged, said, errors, exit } = await startService();
  await eventually(() => logged(waiting).length === 1);
  put('nonsense');
  expect(await exit).toBe(1);
  expect(errors()).toBe(
    'error: file: got nonsense, expected sense\n  Correct the flag or environment variable that the error names. [config_invalid]\n',
  );
  expect(said().at(-1)).toBe('closed');
});

test('a port that is taken is named by its own flag and variable', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const { errors, exit } = await startService(port);
  expect(await exit).toBe(1);
  expect(errors()).toMatch(
    new RegExp(
      `^error: --admin-port \\(BURGAGE_ADMIN_PORT\\): 127\\.0\\.0\\.1:${port} is in use by another program\\n.*\\[port_taken\\]\\n$`,
    ),
  );
  server.close();
});
