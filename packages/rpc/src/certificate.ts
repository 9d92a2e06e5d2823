// X.509 certificates as they are written: of an authority, and of a service that it vouches for.
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Clock, Random } from '@burgage/runtime';
import { serviceHost, serviceUri } from './service-name.ts';

const authorityName = 'CN=Burgage development CA';
const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' };
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' };
const dayMs = 24 * 60 * 60 * 1_000;
/** For machines whose clocks differ. */
const skewMs = 5 * 60 * 1_000;

export interface CertificateMaking {
  readonly clock: Clock;
  /** For the serial number. */
  readonly random: Random;
  readonly days: number;
}

/** The certificate of the authority that has `key` (ECDSA on P-256), signed by itself, in PEM. */
export async function authorityCertificate(key: KeyObject, making: CertificateMaking): Promise<string> {
  const x509 = await load();
  const publicKey = publicOf(key);
  return await signed(authorityName, publicKey, key, making, [
    new x509.BasicConstraintsExtension(true, 0, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
  ]);
}

/** The certificate of `service`, which has `key`, as server and client; for its own names and those of this machine. */
export async function serviceCertificate(
  service: string,
  key: KeyObject,
  authority: KeyObject,
  making: CertificateMaking,
): Promise<string> {
  const x509 = await load();
  const publicKey = publicOf(key);
  return await signed(`CN=${service}`, publicKey, authority, making, [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
    new x509.SubjectAlternativeNameExtension([
      { type: 'url', value: serviceUri(service) },
      { type: 'dns', value: serviceHost(service) },
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
      { type: 'ip', value: '::1' },
    ]),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
    await x509.AuthorityKeyIdentifierExtension.create(publicOf(authority)),
  ]);
}

type X509 = typeof import('@peculiar/x509');
type Extensions = NonNullable<Parameters<X509['X509CertificateGenerator']['create']>[0]['extensions']>;

async function signed(
  subject: string,
  publicKey: CryptoKey,
  signer: KeyObject,
  { clock, random, days }: CertificateMaking,
  extensions: Extensions,
): Promise<string> {
  const { X509CertificateGenerator } = await load();
  const serial = random.bytes(16);
  // A positive number of full length.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const nowMs = clock.now().getTime();
  const certificate = await X509CertificateGenerator.create({
    serialNumber: Buffer.from(serial).toString('hex'),
    subject,
    issuer: authorityName,
    notBefore: new Date(nowMs - skewMs),
    notAfter: new Date(nowMs + days * dayMs),
    publicKey,
    signingKey: signer.toCryptoKey(keyAlgorithm, false, ['sign']),
    signingAlgorithm,
    extensions,
  });
  return `${certificate.toString('pem')}\n`;
}

/** Loaded only where certificates are made: a service that merely has one starts without it. */
async function load(): Promise<X509> {
  await import('./reflect.ts');
  return await import('@peculiar/x509');
}

function publicOf(key: KeyObject): CryptoKey {
  return createPublicKey(key).toCryptoKey(keyAlgorithm, true, ['verify']);
}
