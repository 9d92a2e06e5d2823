// Mail as files in a folder, for whoever tries the platform out.
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@burgage/runtime';
import type { Mail } from '../domain/ports.ts';

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
