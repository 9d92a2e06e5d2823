// Certificates and keys in PEM files, with errors that name the setting they come from.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { BurgageError, fieldError } from '@burgage/contracts';

/** The certificates in `text`, in their order. @throws BurgageError `config_invalid` where there is none, or one is not valid. */
export function certificatesIn(setting: string, file: string, text: string): [X509Certificate, ...X509Certificate[]] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    const [first, ...rest] = blocks.map((block) => new X509Certificate(block));
    if (first !== undefined) return [first, ...rest];
  } catch (cause) {
    throw invalidSetting(setting, `got ${shown(file)}, which is no valid certificate, expected one in PEM`, cause);
  }
  throw invalidSetting(setting, `got ${shown(file)}, which holds no certificate, expected one in PEM`);
}

/** @throws BurgageError `config_invalid`. */
export function privateKeyIn(setting: string, file: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw invalidSetting(setting, `got ${shown(file)}, which holds no private key, expected one in PEM without a passphrase`, cause);
  }
}

/** @throws BurgageError `config_invalid`. */
export async function readText(setting: string, file: string): Promise<string> {
  return await withFile(setting, file, (handle) => handle.readFile('utf8'));
}

/** @throws BurgageError `config_invalid` where others than the owner may read `file`. */
export async function readPrivateText(setting: string, file: string): Promise<string> {
  return await withFile(setting, file, async (handle) => {
    const { mode } = await handle.stat();
    if (isOpenToOthers(mode)) {
      throw invalidSetting(setting, `got ${shown(file)} with mode ${(mode & 0o777).toString(8)}, which others may read, expected mode 600`);
    }
    return await handle.readFile('utf8');
  });
}

/** Whether others than the owner may do anything with it; on Windows the mode says nothing of that. */
export function isOpenToOthers(mode: number): boolean {
  return process.platform !== 'win32' && (mode & 0o077) !== 0;
}

async function withFile(setting: string, file: string, use: (handle: FileHandle) => Promise<string>): Promise<string> {
  try {
    await using handle = await open(file);
    return await use(handle);
  } catch (error) {
    if (error instanceof BurgageError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw invalidSetting(setting, `got ${shown(file)}, which cannot be read (${code ?? message}), expected a PEM file`, error);
  }
}

export function shown(file: string): string {
  return JSON.stringify(file);
}

/** `config_invalid` for one setting. */
export function invalidSetting(field: string, description: string, cause?: unknown): BurgageError {
  return fieldError('config_invalid', field, description, cause);
}
