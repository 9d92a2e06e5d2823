import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { runInContext } from './context.ts';
import { createLogger } from './logger.ts';

const folder = mkdtempSync(join(tmpdir(), 'burgage-logger-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

function logged(write: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown>[] {
  const destination = join(folder, `${files++}.log`);
  write(createLogger({ service: 'registry', level: 'debug', destination }));
  return readFileSync(destination, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

test('a line carries service, level, time and the ids of the context that wrote it', () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const [line] = logged((logger) =>
    runInContext({ tenantId: 'ten_1', operationId: 'op_1', traceparent }, () => logger.info({ hosts: 2 }, 'routes put')),
  );
  expect(line).toMatchObject({
    level: 'info',
    service: 'registry',
    tenant: 'ten_1',
    operation: 'op_1',
    trace: '4bf92f3577b34da6a3ce929d0e0e4736',
    hosts: 2,
    msg: 'routes put',
  });
  expect(new Date(String(line?.time)).getTime()).not.toBeNaN();
});

test('an error of the catalogue is written with code, fields and cause', () => {
  const cause = new Error('disk full');
  const [line] = logged((logger) =>
    logger.error(new BurgageError('unavailable', { message: 'store: cannot write', metadata: { file: 'a' }, cause })),
  );
  expect(line).toMatchObject({
    msg: 'store: cannot write',
    err: { name: 'BurgageError', code: 'unavailable', metadata: { file: 'a' }, cause: { name: 'Error', message: 'disk full' } },
  });
});

test('secrets never reach the log, whatever surrounds them', () => {
  const name = fc.constantFrom(
    'authorization',
    'Authorization',
    'token',
    'adminToken',
    'internal_token',
    'secret',
    'clientSecret',
    'password',
    'cookie',
    'set-cookie',
    'apiKey',
    'credentials',
  );
  const wrap = fc.array(fc.constantFrom('object', 'array', 'map', 'error', 'bindings'), { maxLength: 3 });
  fc.assert(
    fc.property(name, wrap, fc.constantFrom('text', 'list', 'object'), (secretName, wrapping, shape) => {
      const secret = { text: 's3cr3t', list: ['s3cr3t'], object: { value: 's3cr3t' } }[shape];
      let fields: Record<string, unknown> = { [secretName]: secret, plain: 'shown' };
      let bindings = {};
      for (const layer of wrapping) {
        if (layer === 'object') fields = { inner: fields };
        else if (layer === 'array') fields = { inner: [fields] };
        else if (layer === 'map') fields = { inner: new Map(Object.entries(fields)) };
        else if (layer === 'error') fields = { inner: new Error('failed', { cause: fields }) };
        else bindings = { bound: fields };
      }
      const text = JSON.stringify(logged((logger) => logger.child(bindings).info(fields, 'done')));
      expect(text).not.toContain('s3cr3t');
      expect(text).toContain('shown');
    }),
    { numRuns: 100 },
  );
});

test('names that only begin like a secret are shown', () => {
  const [line] = logged((logger) => logger.info({ tokenFile: 'secrets/admin-token', secretsFolder: 'secrets' }));
  expect(line).toMatchObject({ tokenFile: 'secrets/admin-token', secretsFolder: 'secrets' });
});

test('what JSON cannot carry is written in a readable way', () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const [line] = logged((logger) =>
    logger.info({ big: 12n, bytes: new Uint8Array(3), at: new Date(0), set: new Set([1]), none: undefined, nil: null, circular }),
  );
  expect(line).toMatchObject({ big: '12', bytes: '[3 bytes]', at: '1970-01-01T00:00:00.000Z', set: [1], nil: null });
});

test('a log file is only its owner’s, and is appended to', () => {
  const destination = join(folder, 'deep', 'own.log');
  createLogger({ service: 'a', destination }).info('one');
  createLogger({ service: 'a', destination }).info('two');
  expect(statSync(destination).mode & 0o777).toBe(0o600);
  expect(readFileSync(destination, 'utf8').trimEnd().split('\n')).toHaveLength(2);
});

test('a log file that cannot be opened is said at once, a full disk later costs only lines', () => {
  expect(() => createLogger({ service: 'a', destination: folder })).toThrow(/log file .* cannot be opened/);
  if (process.platform !== 'linux') return;
  const logger = createLogger({ service: 'a', destination: '/dev/full' });
  for (let line = 0; line < 3; line++) logger.info('lost');
});

test('a process that crashes leaves every line that it wrote', () => {
  const script = join(folder, 'crash.ts');
  const destination = join(folder, 'crash.log');
  writeFileSync(
    script,
    `import { createLogger } from ${JSON.stringify(join(import.meta.dirname, 'logger.ts'))};
     const logger = createLogger({ service: 'crash', destination: ${JSON.stringify(destination)} });
     for (let line = 0; line < 500; line++) logger.info({ line });
     process.kill(process.pid, 'SIGKILL');`,
  );
  expect(spawnSync(process.execPath, [script]).signal).toBe('SIGKILL');
  expect(readFileSync(destination, 'utf8').trimEnd().split('\n')).toHaveLength(500);
});
