// What a folder of certificates holds, and what it says of what it cannot use.
import { chmod, copyFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ManualClock, systemClock } from '@burgage/runtime';
import { expect, it } from 'vitest';
import { acme, makeCertificates, other } from '../testing/certificates.ts';
import { createCertificateFolder } from './certificate-folder.ts';

it('gives the pair of a name, and says so where it is still the same', async () => {
  const { folder, put } = await makeCertificates();
  await put(acme);
  const store = createCertificateFolder(folder, systemClock);
  const pair = await store.read(acme);
  if (pair === undefined || pair === 'unchanged') throw new Error('there is none');
  expect(pair.cert).toContain('BEGIN CERTIFICATE');
  expect(pair.complaints).toEqual([]);
  expect(await store.read(acme, pair.stamp)).toBe('unchanged');
  await utimes(join(folder, acme, 'tls.crt'), new Date(), new Date(1));
  expect(await store.read(acme, pair.stamp)).not.toBe('unchanged');
});

it.each(['', '.', '..', '../x', 'a/b', 'a\\b', '*', '**.a', 'A', 'a\0b', `${'a'.repeat(5_000)}`, '[::1]'])(
  'has nothing for %j',
  async (name) => {
    const { folder, put } = await makeCertificates();
    await put(acme, 'a');
    expect(await createCertificateFolder(join(folder, 'a'), systemClock).read(name)).toBeUndefined();
  },
);

it('refuses what makes no pair, and names the file', async () => {
  const { folder, put } = await makeCertificates();
  await put(acme);
  await put(other);
  const store = createCertificateFolder(folder, systemClock);
  const [cert, key] = [join(folder, acme, 'tls.crt'), join(folder, acme, 'tls.key')];
  await copyFile(join(folder, other, 'tls.key'), key);
  await expect(store.read(acme)).rejects.toThrow(`${key}: got the key of another certificate, expected that of tls.crt`);
  await writeFile(key, 'nonsense');
  await expect(store.read(acme)).rejects.toThrow(`${key}: got what is none, expected a private key in PEM without a passphrase`);
  await writeFile(cert, 'nonsense');
  await expect(store.read(acme)).rejects.toThrow(`${cert}: got what is none, expected a certificate in PEM`);
  await rm(cert);
  await expect(store.read(acme)).rejects.toThrow(`${cert}: cannot be read (ENOENT), expected a file`);
});

it('complains of a key that others may read, and of a certificate that is not valid now; both can be used', async () => {
  const past = new ManualClock(new Date('2020-01-01'));
  const { folder, put } = await makeCertificates(past);
  await put(acme);
  await chmod(join(folder, acme, 'tls.key'), 0o644);
  const pair = await createCertificateFolder(folder, systemClock).read(acme);
  if (pair === undefined || pair === 'unchanged') throw new Error('there is none');
  expect(pair.complaints).toEqual([
    expect.stringMatching(/tls\.crt: got one valid from 2019-.* to 2020-.*, expected one that is valid now$/),
    expect.stringMatching(/tls\.key: got mode 644, expected one that others cannot read$/),
  ]);
});
