import { expect, test } from 'vitest';
import { createPasswords } from './passwords.ts';
import { systemSources } from './sources.ts';

const passwords = createPasswords(systemSources);

test('a password matches its own hash only, however its accents are written, and no hash at all matches nothing', async () => {
  const stored = await passwords.hash('pässword 123');
  expect(stored).toMatch(/^scrypt\$15\$8\$3\$[\w-]{22}\$[\w-]{43}$/);
  expect(await passwords.matches('pa\u0308ssword 123', stored)).toBe(true);
  expect(await passwords.matches('password 123', stored)).toBe(false);
  expect(await passwords.matches('pässword 123', undefined)).toBe(false);
  expect(await passwords.matches('', null)).toBe(false);
});

test('equal passwords have different hashes', async () => {
  expect(await passwords.hash('same')).not.toBe(await passwords.hash('same'));
});
