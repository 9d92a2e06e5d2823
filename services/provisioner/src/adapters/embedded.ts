// The embedded drivers: what one machine needs of databases, files, certificates, DNS and mail.
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import type { Clock } from '@burgage/runtime';
import type { Certificates, Databases, Dns, Files, Infrastructure, Mail } from '../domain/ports.ts';
import { createHttpTenantApp, type HttpTenantAppOptions } from './http-tenant-app.ts';

export interface EmbeddedDriversOptions extends HttpTenantAppOptions {
  /** Where the shared app keeps its data. */
  readonly appFolder: string;
  /** Holds one folder a tenant. */
  readonly filesFolder: string;
  readonly mailFolder: string;
  readonly urlOf: (slug: string) => string;
  readonly clock: Clock;
}

/** Every driver of one machine. */
export function embeddedDrivers(options: EmbeddedDriversOptions): Omit<Infrastructure, 'tenants'> {
  return {
    app: createHttpTenantApp(options),
    databases: createPoolDatabases(options.appFolder),
    files: createFolderFiles(options.filesFolder),
    certificates: noCertificates,
    dns: noDns,
    mail: createFolderMail(options.mailFolder, options.clock),
    urlOf: options.urlOf,
  };
}

/** Pool tenants share one SQLite file, which the shared app keeps in its own folder. */
export function createPoolDatabases(appFolder: string): Databases {
  return {
    async ensure() {
      await mkdir(appFolder, { recursive: true, mode: 0o700 });
      return { needed: true, detail: 'rows in the shared database' };
    },
  };
}

/** One folder a tenant. */
export function createFolderFiles(folder: string): Files {
  const folderOf = (tenantId: string): string => {
    if (!/^[A-Za-z0-9_]+$/.test(tenantId)) throw new BurgageError('internal', { cause: new Error(`${tenantId} cannot name a folder`) });
    return join(folder, tenantId);
  };
  return {
    async ensure(tenantId) {
      await mkdir(folderOf(tenantId), { recursive: true, mode: 0o700 });
      return { needed: true, detail: 'a folder of its own' };
    },
    async remove(tenantId) {
      await rm(folderOf(tenantId), { recursive: true, force: true });
    },
  };
}

export const noCertificates: Certificates = {
  async ensure() {
    return { needed: false, reason: 'served over plain HTTP on this machine' };
  },
};

export const noDns: Dns = {
  async ensure() {
    return { needed: false, reason: '*.localhost needs no records' };
  },
};

/** Mail as files of mode 600, one a message: `<id>.eml` (RFC 5322). */
export function createFolderMail(folder: string, clock: Clock, from = 'Burgage <no-reply@localhost>'): Mail {
  return {
    async send(id, { to, subject, text }) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const message = [
        `From: ${from}`,
        `To: ${headerText(to)}`,
        `Subject: ${headerText(subject)}`,
        `Date: ${clock.now().toUTCString().replace('GMT', '+0000')}`,
        `Message-ID: <${id}@burgage.localhost>`,
        'MIME-Version: 1.0',
        'Content-Type: text/plain; charset=utf-8',
        'Content-Transfer-Encoding: 8bit',
        '',
        text.replaceAll('\n', '\r\n'),
        '',
      ].join('\r\n');
      const file = join(folder, `${id}.eml`);
      const part = `${file}.${randomUUID()}.part`;
      const handle = await open(part, 'wx', 0o600);
      try {
        await handle.writeFile(message);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(part, file);
      return { needed: true, detail: `to ${to}` };
    },
  };
}

/** An encoded word has at most 75 characters (RFC 2047), 45 bytes as base64 with what is around them. */
const encodedWordBytesMax = 45;

/** A header's value: other than printable ASCII as folded encoded words; a line break cannot start another header. */
function headerText(text: string): string {
  const line = text.replaceAll(/[\r\n]+/g, ' ');
  if (/^[\x20-\x7e]*$/.test(line)) return line;
  const words: string[] = [''];
  for (const character of line) {
    const last = words.at(-1) ?? '';
    if (Buffer.byteLength(last + character) > encodedWordBytesMax) words.push(character);
    else words[words.length - 1] = last + character;
  }
  return words.map((word) => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`).join('\r\n ');
}
