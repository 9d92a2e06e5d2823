// Who a process is to others over TCP: its certificate and key and the authority that it trusts, followed on disk.
import type { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Clock, type Logger, systemClock } from '@burgage/runtime';
import { tlsRereadMs } from './defaults.ts';
import { certificatesIn, invalidSetting as invalid, privateKeyIn, readPrivateText, readText, shown } from './pem-files.ts';
import { serviceHost, serviceNamed } from './service-name.ts';

/** PEM files. */
export interface TlsFiles {
  /** The certificates that every peer's must come from. */
  readonly caFile: string;
  /** The certificate of this service, with those between it and the authority behind it. */
  readonly certFile: string;
  /** Its private key, which only its owner may read. */
  readonly keyFile: string;
}

export interface TlsIdentity {
  /** The service that the certificate names: `registry`. */
  readonly service: string;
  /**
   * For a new connection: what the files hold, looked at every ten seconds at most; the same object while they have not
   * changed. Where they are not valid now, what they held last: a certificate may be replaced one file at a time.
   */
  current(): Promise<TlsMaterial>;
}

export interface TlsMaterial {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly context: SecureContext;
}

export interface TlsIdentityOptions extends TlsFiles {
  /** Told when the files changed, and when they are not valid. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** TLS 1.2 is neither offered nor taken: all peers are ours. */
export const minVersion = 'TLSv1.3';

/**
 * @throws BurgageError `config_invalid` that names the setting: a file that cannot be read or is no PEM, a key that others
 * may read or that is of another certificate, a certificate that is not valid now, names no service, or is of another authority.
 */
export async function readTlsIdentity({ logger, clock = systemClock, ...files }: TlsIdentityOptions): Promise<TlsIdentity> {
  let { service, material } = await read(files, clock);
  let lookedAtMs = clock.monotonicMs();
  let problem: string | undefined;
  const look = async (): Promise<void> => {
    const now = await read(files, clock);
    if (now.service !== service) {
      throw invalid('--tls-cert', `got a certificate of ${now.service}, expected one of ${service} as at the start`);
    }
    problem = undefined;
    if (sameMaterial(now.material, material)) return;
    material = now.material;
    logger?.info({ service, validTo: now.validTo }, 'certificate changed: new connections use it');
  };
  return {
    service,
    current: async () => {
      if (clock.monotonicMs() - lookedAtMs < tlsRereadMs) return material;
      lookedAtMs = clock.monotonicMs();
      await look().catch((error: Error) => {
        if (error.message !== problem) logger?.warn({ err: error }, 'certificate on disk is not valid: the last one stays in use');
        problem = error.message;
      });
      return material;
    },
  };
}

async function read(files: TlsFiles, clock: Clock): Promise<{ service: string; validTo: Date; material: TlsMaterial }> {
  const ca = await readText('--tls-ca', files.caFile);
  const cert = await readText('--tls-cert', files.certFile);
  const key = await readPrivateText('--tls-key', files.keyFile);
  const authorities = certificatesIn('--tls-ca', files.caFile, ca);
  const chain = certificatesIn('--tls-cert', files.certFile, cert);
  const [leaf] = chain;
  if (!leaf.checkPrivateKey(privateKeyIn('--tls-key', files.keyFile, key))) {
    throw invalid(
      '--tls-key',
      `got ${shown(files.keyFile)}, which is of another certificate, expected the key of ${shown(files.certFile)}`,
    );
  }
  const nowMs = clock.now().getTime();
  if (leaf.validToDate.getTime() <= nowMs || leaf.validFromDate.getTime() > nowMs) {
    const period = `from ${leaf.validFromDate.toISOString()} to ${leaf.validToDate.toISOString()}`;
    throw invalid('--tls-cert', `got ${shown(files.certFile)}, which is valid ${period}, expected one that is valid now`);
  }
  if (!comesFrom(leaf, chain, authorities)) {
    throw invalid('--tls-cert', `got ${shown(files.certFile)}, which is of another authority, expected one of ${shown(files.caFile)}`);
  }
  const service = serviceNamed(leaf.subjectAltName);
  if (service === undefined || leaf.checkHost(serviceHost(service), { subject: 'never' }) === undefined) {
    const names = `spiffe://burgage/service/NAME and ${serviceHost('NAME')}`;
    throw invalid('--tls-cert', `got ${shown(files.certFile)} for ${leaf.subjectAltName ?? 'no names'}, expected the names ${names}`);
  }
  return { service, validTo: leaf.validToDate, material: { ca, cert, key, context: createSecureContext({ ca, cert, key, minVersion }) } };
}

function sameMaterial(a: TlsMaterial, b: TlsMaterial): boolean {
  return a.ca === b.ca && a.cert === b.cert && a.key === b.key;
}

/** Follows the issuers of `leaf` through its chain up to an authority. */
function comesFrom(leaf: X509Certificate, chain: readonly X509Certificate[], authorities: readonly X509Certificate[]): boolean {
  const issuedBy = (issued: X509Certificate, issuer: X509Certificate) => issued.checkIssued(issuer) && issued.verify(issuer.publicKey);
  let current = leaf;
  for (let steps = 0; steps < chain.length; steps++) {
    if (authorities.some((authority) => issuedBy(current, authority))) return true;
    const next = chain.find((certificate) => certificate !== current && issuedBy(current, certificate));
    if (next === undefined) return false;
    current = next;
  }
  return false;
}
