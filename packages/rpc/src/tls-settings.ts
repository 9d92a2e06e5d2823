// The settings of a service's certificate, for every process that speaks gRPC over TCP.
import { BurgageError } from '@burgage/contracts';
import { defineSettings, type Logger, type SettingsOf } from '@burgage/runtime';
import { z } from 'zod';
import { readTlsIdentity, type TlsIdentity } from './tls-identity.ts';

const file = z.string().min(1).optional();

/** All three or none: a process that reaches others over Unix sockets alone needs none. */
export const tlsSettings = defineSettings({
  tlsCa: { flag: 'tls-ca', env: 'BURGAGE_TLS_CA', schema: file, description: 'File of the authority that peers over TCP must come from' },
  tlsCert: { flag: 'tls-cert', env: 'BURGAGE_TLS_CERT', schema: file, description: 'File of the certificate of this service, for TCP' },
  tlsKey: { flag: 'tls-key', env: 'BURGAGE_TLS_KEY', schema: file, description: 'File of its private key, with mode 600' },
});

/**
 * The identity that `tlsSettings` name, for `createRpcServer` and `createRpcClient`; undefined where none of them is set.
 * @throws BurgageError `config_invalid` where some are missing, where the certificate names another service than `service`,
 * and as `readTlsIdentity`.
 */
export async function tlsFrom(
  { tlsCa: caFile, tlsCert: certFile, tlsKey: keyFile }: SettingsOf<typeof tlsSettings>,
  { service, ...parts }: { readonly logger?: Logger; readonly service?: string } = {},
): Promise<TlsIdentity | undefined> {
  if (caFile !== undefined && certFile !== undefined && keyFile !== undefined) {
    const identity = await readTlsIdentity({ caFile, certFile, keyFile, ...parts });
    if (service === undefined || identity.service === service) return identity;
    throw new BurgageError('config_invalid', {
      message: `--tls-cert: got a certificate of the service ${identity.service}, expected one of ${service}`,
    });
  }
  const values = { '--tls-ca': caFile, '--tls-cert': certFile, '--tls-key': keyFile };
  const missing = Object.entries(values).flatMap(([flag, value]) => (value === undefined ? [flag] : []));
  if (missing.length === 3) return undefined;
  const expected = 'expected --tls-ca, --tls-cert and --tls-key together, or none of them';
  throw new BurgageError('config_invalid', {
    message: `${missing.join(' and ')}: ${missing.length === 1 ? 'is' : 'are'} missing; ${expected}`,
    fields: missing.map((field) => ({ field, description: `is missing; ${expected}` })),
  });
}
