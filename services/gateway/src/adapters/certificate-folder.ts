// Certificates in a folder: one folder for each name, with tls.crt and tls.key as Kubernetes mounts them.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type BurgageError, fieldError } from '@burgage/contracts';
import type { Clock } from '@burgage/runtime';
import type { CertificateStore } from '../engine/certificate-store.ts';

const certFile = 'tls.crt';
const keyFile = 'tls.key';
/** All that a certificate store is ever asked for: no separator, and nothing that begins with a dot. */
const namePattern = /^(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/;

/** Follows the folder `folder`: `acme.example.com/`, `*.example.com/` for one label, `default/` for clients that name nobody. */
export function createCertificateFolder(folder: string, clock: Clock): CertificateStore {
  return {
    async read(name, knownStamp) {
      if (!namePattern.test(name)) return undefined;
      const place = join(folder, name);
      if (!(await isThere(place))) return undefined;
      const [ofCert, ofKey] = [await stampOf(place, certFile), await stampOf(place, keyFile)];
      const stamp = `${ofCert.text} ${ofKey.text}`;
      if (stamp === knownStamp) return 'unchanged';
      const [cert, key] = [await textOf(place, certFile), await textOf(place, keyFile)];
      const { validFromDate, validToDate } = certificateOf(place, cert, key);
      const nowMs = clock.now().getTime();
      const complaints: string[] = [];
      if (nowMs >= validToDate.getTime() || nowMs < validFromDate.getTime()) {
        const period = `from ${validFromDate.toISOString()} to ${validToDate.toISOString()}`;
        complaints.push(`${join(place, certFile)}: got one valid ${period}, expected one that is valid now`);
      }
      if (process.platform !== 'win32' && (ofKey.mode & 0o007) !== 0) {
        complaints.push(`${join(place, keyFile)}: got mode ${(ofKey.mode & 0o777).toString(8)}, expected one that others cannot read`);
      }
      return { cert, key, stamp, validToMs: validToDate.getTime(), complaints };
    },
  };
}

/** The certificate itself. @throws BurgageError `config_invalid` where the two files do not make a pair. */
function certificateOf(place: string, cert: string, key: string): X509Certificate {
  const leaf = parsed(join(place, certFile), 'a certificate in PEM', () => new X509Certificate(cert));
  const ownKey = parsed(join(place, keyFile), 'a private key in PEM without a passphrase', () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(ownKey))
    throw invalid(join(place, keyFile), `got the key of another certificate, expected that of ${certFile}`);
  return leaf;
}

function parsed<T>(file: string, expected: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw invalid(file, `got what is none, expected ${expected}`, cause);
  }
}

async function isThere(folder: string): Promise<boolean> {
  try {
    return (await stat(folder)).isDirectory();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw unreadable(folder, error);
  }
}

async function stampOf(place: string, name: string): Promise<{ text: string; mode: number }> {
  try {
    const { ino, size, mtimeNs, ctimeNs, mode } = await stat(join(place, name), { bigint: true });
    return { text: `${ino}.${size}.${mtimeNs}.${ctimeNs}`, mode: Number(mode) };
  } catch (error) {
    throw unreadable(join(place, name), error);
  }
}

async function textOf(place: string, name: string): Promise<string> {
  try {
    return await readFile(join(place, name), 'utf8');
  } catch (error) {
    throw unreadable(join(place, name), error);
  }
}

function unreadable(file: string, cause: unknown): BurgageError {
  return invalid(file, `cannot be read (${(cause as NodeJS.ErrnoException).code ?? String(cause)}), expected a file`, cause);
}

function invalid(file: string, description: string, cause?: unknown): BurgageError {
  return fieldError('config_invalid', file, description, cause);
}
