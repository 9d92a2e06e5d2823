// Certificates for the tests of TLS: of an authority of their own, in a folder as the gateway reads it.
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDevelopmentCa, type DevelopmentCa } from '@burgage/rpc';
import { type Clock, systemClock, systemRandom } from '@burgage/runtime';
import { temporaryFolder } from './fixture.ts';

/** The hosts that certificates are made for: the development CA makes them for services. */
export const acme = 'acme.burgage.internal';
export const other = 'other.burgage.internal';

export interface Certificates {
  /** For `certificates` of the gateway. */
  readonly folder: string;
  /** The authority, in PEM. */
  readonly ca: string;
  /** Puts the certificate of `host` under `name`, which is the host where none is given; a new one each time. */
  put(host: string, name?: string): Promise<void>;
}

export async function makeCertificates(clock: Clock = systemClock): Promise<Certificates> {
  const [folder, caFolder] = [await temporaryFolder(), join(await temporaryFolder(), 'ca')];
  const authority: DevelopmentCa = await createDevelopmentCa({ folder: caFolder, clock, random: systemRandom });
  return {
    folder,
    ca: await readFile(join(caFolder, 'ca.crt'), 'utf8'),
    put: async (host, name = host) => {
      const { certFile, keyFile } = await authority.issue(host.replace('.burgage.internal', ''));
      await mkdir(join(folder, name), { recursive: true });
      await copyFile(certFile, join(folder, name, 'tls.crt'));
      await copyFile(keyFile, join(folder, name, 'tls.key'));
    },
  };
}
