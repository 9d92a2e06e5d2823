// Holds mail in a folder to what the steps rely on: repeatable, private, and safe from what people type.
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@burgage/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFolderMail } from './folder-mail.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-mail-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** The subject of a message, decoded. */
function subjectOf(text: string): string {
  const folded = text.match(/^Subject: (.*(?:\r\n .*)*)/m)?.[1] ?? '';
  return [...folded.matchAll(/=\?utf-8\?B\?(.*?)\?=/g)].map((match) => Buffer.from(match[1] ?? '', 'base64').toString()).join('');
}

describe('mail', () => {
  const send = (to: string, subject: string) =>
    createFolderMail(folder, new ManualClock()).send('op_1', { to, subject, text: 'Line\nLine' });

  test('is one private file a message, replaced when the step is repeated', async () => {
    await send('a@b.test', 'First');
    await send('a@b.test', 'Second');
    expect(await readdir(folder)).toEqual(['op_1.eml']);
    expect((await stat(join(folder, 'op_1.eml'))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(folder, 'op_1.eml'), 'utf8')).toContain('Subject: Second\r\n');
  });

  test('takes no header from a name, and keeps what is not ASCII', async () => {
    await send('a@b.test', 'Größe\r\nBcc: everyone@b.test');
    const text = await readFile(join(folder, 'op_1.eml'), 'utf8');
    expect(text).not.toMatch(/^Bcc:/m);
    expect(subjectOf(text)).toBe('Größe Bcc: everyone@b.test');
  });

  test('folds a long name into lines that every mail server takes', async () => {
    const name = '有限会社'.repeat(50);
    await send('a@b.test', name);
    const text = await readFile(join(folder, 'op_1.eml'), 'utf8');
    expect(subjectOf(text)).toBe(name);
    expect(Math.max(...text.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(78 + 'Subject: '.length);
  });
});
