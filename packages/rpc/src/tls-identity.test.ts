import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDevelopmentCa, readTlsIdentity, type TlsFiles, tlsFrom, tlsSettings } from '@burgage/rpc';
import { createLogger, ManualClock, readSettings, systemRandom } from '@burgage/runtime';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../test/servers.ts';

const dayMs = 24 * 60 * 60 * 1_000;

async function authority(clock = new ManualClock()) {
  return await createDevelopmentCa({ folder: join(temporaryFolder(), 'ca'), clock, random: systemRandom });
}

/** What reading it says. */
async function complaint(files: TlsFiles, clock = new ManualClock()): Promise<string> {
  return await readTlsIdentity({ ...files, clock }).then(
    () => 'no complaint',
    (error: { code: string; message: string }) => `${error.code} ${error.message}`,
  );
}

test('every file that is missing, or holds something else, is named by its setting', async () => {
  const files = await (await authority()).issue('registry');
  const nonsense = join(temporaryFolder(), 'nonsense');
  writeFileSync(nonsense, 'nonsense', { mode: 0o600 });
  const settings = { caFile: '--tls-ca', certFile: '--tls-cert', keyFile: '--tls-key' } as const;
  for (const [name, setting] of Object.entries(settings)) {
    expect(await complaint({ ...files, [name]: '/nowhere' })).toMatch(
      new RegExp(`^config_invalid ${setting}: got "/nowhere", which cannot be read \\(ENOENT\\), expected a PEM file$`),
    );
    expect(await complaint({ ...files, [name]: nonsense })).toMatch(new RegExp(`^config_invalid ${setting}: got .* which holds no `));
  }
});

test('a key that others may read is refused', async () => {
  const files = await (await authority()).issue('registry');
  for (const mode of [0o640, 0o604, 0o644]) {
    chmodSync(files.keyFile, mode);
    expect(await complaint(files)).toContain(`--tls-key: got "${files.keyFile}" with mode ${mode.toString(8)}, which others may read`);
  }
  chmodSync(files.keyFile, 0o400);
  expect(await complaint(files)).toBe('no complaint');
});

test('a key of another certificate, and a certificate of another authority, are refused', async () => {
  const ca = await authority();
  const [registry, gateway] = [await ca.issue('registry'), await ca.issue('gateway')];
  expect(await complaint({ ...registry, keyFile: gateway.keyFile })).toMatch(/--tls-key: .* of another certificate/);
  expect(await complaint({ ...registry, caFile: (await (await authority()).issue('registry')).caFile })).toMatch(
    /--tls-cert: .* of another authority/,
  );
});

test('a certificate that is not valid yet, or no more, is refused', async () => {
  const clock = new ManualClock();
  const files = await (await authority(clock)).issue('registry');
  expect(await complaint(files, new ManualClock(new Date(clock.now().getTime() - dayMs)))).toMatch(
    /--tls-cert: .* expected one that is valid now/,
  );
  await clock.advance(90 * dayMs - 1);
  expect(await complaint(files, clock)).toBe('no complaint');
  await clock.advance(1);
  expect(await complaint(files, clock)).toMatch(/--tls-cert: .* expected one that is valid now/);
});

test('a certificate that names no service is refused', async () => {
  const files = await (await authority()).issue('registry');
  // The authority has no service's names.
  const ca = { ...files, certFile: files.caFile, keyFile: join(files.caFile, '..', 'ca.key') };
  expect(await complaint(ca)).toMatch(
    /--tls-cert: got .* for no names, expected the names spiffe:\/\/burgage\/service\/NAME and NAME\.burgage\.internal/,
  );
});

test('new files are found within ten seconds; while they do not fit the last ones stay in use', async () => {
  const clock = new ManualClock();
  const ca = await authority(clock);
  const files = await ca.issue('registry');
  const own = { ...files, certFile: join(temporaryFolder(), 'x.crt'), keyFile: join(temporaryFolder(), 'x.key') };
  copyFileSync(files.certFile, own.certFile);
  copyFileSync(files.keyFile, own.keyFile);
  const logFile = join(temporaryFolder(), 'log');
  const identity = await readTlsIdentity({ ...own, clock, logger: createLogger({ service: 'test', destination: logFile }) });
  const first = await identity.current();
  expect(first.cert).toBe(readFileSync(files.certFile, 'utf8'));

  await clock.advance(61 * dayMs);
  await ca.issue('registry');
  copyFileSync(files.certFile, own.certFile);
  writeFileSync(own.keyFile, 'half written');
  expect(await identity.current()).toBe(first);
  await clock.advance(10_000);
  expect(await identity.current()).toBe(first);
  await clock.advance(10_000);
  expect(await identity.current()).toBe(first);

  copyFileSync(files.keyFile, own.keyFile);
  expect(await identity.current()).toBe(first);
  await clock.advance(10_000);
  const second = await identity.current();
  expect(second.cert).toBe(readFileSync(files.certFile, 'utf8'));
  expect(second.cert).not.toBe(first.cert);

  const other = await ca.issue('gateway');
  copyFileSync(other.certFile, own.certFile);
  copyFileSync(other.keyFile, own.keyFile);
  await clock.advance(10_000);
  expect(await identity.current()).toBe(second);

  const lines = readFileSync(logFile, 'utf8').trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
    'certificate on disk is not valid: the last one stays in use',
    'certificate changed: new connections use it',
    'certificate on disk is not valid: the last one stays in use',
  ]);
  expect(lines.join()).not.toContain('PRIVATE KEY');
});

test('the settings are given all three or none', async () => {
  const { caFile, certFile, keyFile } = await (
    await createDevelopmentCa({ folder: join(temporaryFolder(), 'ca'), clock: systemClockNow(), random: systemRandom })
  ).issue('registry');
  const read = (argv: string[]) => tlsFrom(readSettings(tlsSettings, { argv, env: {} }));
  expect(await read([])).toBeUndefined();
  expect((await read(['--tls-ca', caFile, '--tls-cert', certFile, '--tls-key', keyFile]))?.service).toBe('registry');
  await expect(read(['--tls-ca', caFile, '--tls-key', keyFile])).rejects.toMatchObject({
    code: 'config_invalid',
    message: '--tls-cert: is missing; expected --tls-ca, --tls-cert and --tls-key together, or none of them',
  });
  await expect(read(['--tls-ca', caFile])).rejects.toMatchObject({
    message: '--tls-cert and --tls-key: are missing; expected --tls-ca, --tls-cert and --tls-key together, or none of them',
    fields: [{ field: '--tls-cert' }, { field: '--tls-key' }],
  });
});

function systemClockNow() {
  return new ManualClock(new Date());
}
