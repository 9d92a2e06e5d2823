// A certificate authority for development: keys and certificates for the services of one machine, in one folder.
import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { invalidField } from '@burgage/contracts';
import type { Clock, Random } from '@burgage/runtime';
import { authorityCertificate, serviceCertificate } from './certificate.ts';
import { invalidSetting, isOpenToOthers, privateKeyIn, readPrivateText, shown } from './pem-files.ts';
import { isServiceName, serviceNamed } from './service-name.ts';
import type { TlsFiles } from './tls-identity.ts';

export interface DevelopmentCaOptions {
  /** Made with mode 700 where it is missing. */
  readonly folder: string;
  readonly clock: Clock;
  /** For serial numbers; keys come from the machine's own randomness. */
  readonly random: Random;
}

export interface DevelopmentCa {
  /**
   * Certificate and key of a service: those in the folder while more than a third of the certificate's 90 days is left,
   * otherwise new ones. @throws BurgageError `invalid_argument` for what cannot be a service's name.
   */
  issue(service: string): Promise<TlsFiles>;
}

const authorityDays = 3_650;
const serviceDays = 90;

/**
 * Makes or loads an authority. Its private key lies in the folder with mode 600, and whoever reads it can pass for any
 * service: for development, never for production. Safe to call again, and by several processes at once: a key is made
 * once and stays, so that every certificate made for it fits.
 * @throws BurgageError `config_invalid` where the folder cannot be made, where others may enter it or read a key, and
 * where a key is none.
 */
export async function createDevelopmentCa({ folder, clock, random }: DevelopmentCaOptions): Promise<DevelopmentCa> {
  await makeFolder(folder);
  const files = new CaFiles(random);
  const caFile = join(folder, 'ca.crt');
  const caKey = await files.key(join(folder, 'ca.key'));
  const isCurrent = (certificate: X509Certificate) => certificate.checkPrivateKey(caKey) && isFresh(certificate, clock);
  await files.certificate(caFile, isCurrent, () => authorityCertificate(caKey, { clock, random, days: authorityDays }));
  return {
    issue: async (service) => {
      if (!isServiceName(service)) {
        throw invalidField('service', `got ${JSON.stringify(service)}, expected lower-case letters, digits and hyphens, at most 63`);
      }
      const [certFile, keyFile] = [join(folder, `${service}.crt`), join(folder, `${service}.key`)];
      const key = await files.key(keyFile);
      const fits = (certificate: X509Certificate) =>
        certificate.checkPrivateKey(key) &&
        certificate.verify(createPublicKey(caKey)) &&
        serviceNamed(certificate.subjectAltName) === service &&
        isFresh(certificate, clock);
      await files.certificate(certFile, fits, () => serviceCertificate(service, key, caKey, { clock, random, days: serviceDays }));
      return { caFile, certFile, keyFile };
    },
  };
}

/** More than a third of its time is left. */
function isFresh({ validFromDate, validToDate }: X509Certificate, clock: Clock): boolean {
  const lifeMs = validToDate.getTime() - validFromDate.getTime();
  return validToDate.getTime() - clock.now().getTime() > lifeMs / 3;
}

/** Files that appear whole or not at all. */
class CaFiles {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The private key in `file`, made where there is none. Of several that make it at once one wins, and all go on with that one. */
  async key(file: string): Promise<KeyObject> {
    if (!existsSync(file)) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const draft = await this.#draft(file, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
      await link(draft, file).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
      await rm(draft);
    }
    return privateKeyIn('folder', file, await readPrivateText('folder', file));
  }

  /** Leaves the certificate in `file` where it fits, and puts a new one in its place where not. */
  async certificate(file: string, fits: (certificate: X509Certificate) => boolean, make: () => Promise<string>): Promise<void> {
    const certificate = await readCertificate(file);
    if (certificate === undefined || !fits(certificate)) await rename(await this.#draft(file, await make()), file);
  }

  async #draft(file: string, content: string): Promise<string> {
    const draft = `${file}.${Buffer.from(this.#random.bytes(8)).toString('hex')}`;
    await writeFile(draft, content, { mode: 0o600, flag: 'wx' });
    return draft;
  }
}

/** Undefined for what is missing or no certificate. */
async function readCertificate(file: string): Promise<X509Certificate | undefined> {
  try {
    return new X509Certificate(await readFile(file));
  } catch {
    return undefined;
  }
}

async function makeFolder(folder: string): Promise<void> {
  const { mode } = await mkdir(folder, { recursive: true, mode: 0o700 }).then(
    () => stat(folder),
    (cause: NodeJS.ErrnoException) => {
      throw invalidSetting('folder', `got ${shown(folder)}, which cannot be made (${cause.code}), expected one that can`, cause);
    },
  );
  if (isOpenToOthers(mode)) {
    const shownMode = (mode & 0o777).toString(8);
    throw invalidSetting('folder', `got ${shown(folder)} with mode ${shownMode}, which others may enter, expected mode 700`);
  }
}
