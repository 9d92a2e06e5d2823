import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDevelopmentCa, readTlsIdentity, type TlsFiles } from '@burgage/rpc';
import { ManualClock, systemRandom } from '@burgage/runtime';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../test/servers.ts';

const dayMs = 24 * 60 * 60 * 1_000;

function authority(folder: string, clock = new ManualClock()) {
  return createDevelopmentCa({ folder, clock, random: systemRandom });
}

function certificateIn(files: TlsFiles): X509Certificate {
  return new X509Certificate(readFileSync(files.certFile));
}

test('a certificate names its service, is for servers and clients, and comes from the authority', async () => {
  const files = await (await authority(join(temporaryFolder(), 'ca'))).issue('registry');
  const certificate = certificateIn(files);
  const ca = new X509Certificate(readFileSync(files.caFile));
  expect(certificate.checkIssued(ca) && certificate.verify(ca.publicKey)).toBe(true);
  expect(certificate.subjectAltName).toBe(
    'URI:spiffe://burgage/service/registry, DNS:registry.burgage.internal, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
  );
  expect(certificate.ca).toBe(false);
  expect(ca.ca).toBe(true);
  // Extended key usage: server, client.
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  expect((await readTlsIdentity({ ...files, clock: new ManualClock() })).service).toBe('registry');
});

test('folder and keys are their owner’s alone', async () => {
  const folder = join(temporaryFolder(), 'ca');
  await (await authority(folder)).issue('registry');
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(readdirSync(folder).toSorted()).toEqual(['ca.crt', 'ca.key', 'registry.crt', 'registry.key']);
  for (const key of ['ca.key', 'registry.key']) expect(statSync(join(folder, key)).mode & 0o777).toBe(0o600);
});

test('a second start leaves everything as it is, until less than a third of the 90 days is left', async () => {
  const folder = join(temporaryFolder(), 'ca');
  const clock = new ManualClock();
  const issue = async () => certificateIn(await (await authority(folder, clock)).issue('registry'));
  const ca = readOnceMade();
  const first = await issue();
  expect(first.validToDate.getTime() - clock.now().getTime()).toBe(90 * dayMs);
  const authorityBefore = ca();
  await clock.advance(59 * dayMs);
  expect((await issue()).serialNumber).toBe(first.serialNumber);
  await clock.advance(2 * dayMs);
  const next = await issue();
  expect(next.serialNumber).not.toBe(first.serialNumber);
  expect(next.validToDate.getTime() - clock.now().getTime()).toBe(90 * dayMs);
  expect(ca()).toBe(authorityBefore);

  function readOnceMade() {
    return () => readFileSync(join(folder, 'ca.crt'), 'utf8') + readFileSync(join(folder, 'ca.key'), 'utf8');
  }
});

test('several that start at once end up with one authority and certificates that fit', async () => {
  const folder = join(temporaryFolder(), 'ca');
  const starts = Array.from({ length: 8 }, async (_, index) => {
    const ca = await authority(folder);
    return await Promise.all([ca.issue('registry'), ca.issue(index % 2 === 0 ? 'gateway' : 'api')]);
  });
  for (const files of (await Promise.all(starts)).flat()) await readTlsIdentity({ ...files, clock: new ManualClock() });
  expect(readdirSync(folder)).toHaveLength(8);
});

test('what was damaged or deleted is made again, with all that hangs on it', async () => {
  const folder = join(temporaryFolder(), 'ca');
  const ca = await authority(folder);
  const files = await ca.issue('registry');
  const fits = async () => readTlsIdentity({ ...(await (await authority(folder)).issue('registry')), clock: new ManualClock() });
  writeFileSync(files.certFile, 'nonsense');
  await fits();
  rmSync(files.keyFile);
  await fits();
  rmSync(join(folder, 'ca.key'));
  await fits();
});

test('a folder that others may enter, a key that others may read and one that is none are refused', async () => {
  const open = join(temporaryFolder(), 'open');
  mkdirSync(open);
  chmodSync(open, 0o755);
  await expect(authority(open)).rejects.toMatchObject({ code: 'config_invalid', message: expect.stringContaining('with mode 755') });

  const folder = join(temporaryFolder(), 'ca');
  await authority(folder);
  chmodSync(join(folder, 'ca.key'), 0o640);
  await expect(authority(folder)).rejects.toMatchObject({ code: 'config_invalid', message: expect.stringContaining('with mode 640') });
  chmodSync(join(folder, 'ca.key'), 0o600);
  writeFileSync(join(folder, 'ca.key'), 'nonsense');
  await expect(authority(folder)).rejects.toMatchObject({ code: 'config_invalid', message: expect.stringContaining('no private key') });

  const file = join(temporaryFolder(), 'file');
  writeFileSync(file, '');
  await expect(authority(file)).rejects.toMatchObject({ code: 'config_invalid', message: expect.stringContaining('cannot be made') });
});

test.each(['', 'Registry', '../ca', 'a b', 'x'.repeat(64), '-a'])('%j is no name of a service', async (service) => {
  await expect((await authority(join(temporaryFolder(), 'ca'))).issue(service)).rejects.toMatchObject({ code: 'invalid_argument' });
});
