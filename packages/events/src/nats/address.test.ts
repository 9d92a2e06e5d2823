// Tests of the address: what is read from it, and that no credential gets out of it.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAddress } from './address.ts';

test.each([
  ['nats://host', { servers: ['host:4222'], tls: false }],
  ['nats://host:14222/', { servers: ['host:14222'], tls: false }],
  ['tls://host', { servers: ['host:4222'], tls: true }],
  ['nats://[::1]:4333', { servers: ['[::1]:4333'], tls: false }],
  ['nats://secret@host', { servers: ['host:4222'], tls: false, token: 'secret' }],
  ['nats://me:p%40ss@a, nats://b:5', { servers: ['a:4222', 'b:5'], tls: false, user: 'me', password: 'p@ss' }],
])('%s is read', (text, expected) => {
  expect(parseAddress(text)).toEqual(expected);
});

test('every user and password come out as they went in', () => {
  const text = fc.string({ minLength: 1, unit: 'grapheme' }).filter((value) => value.isWellFormed());
  fc.assert(
    fc.property(text, text, (user, password) => {
      const address = `nats://${encodeURIComponent(user)}:${encodeURIComponent(password)}@host`;
      expect(parseAddress(address)).toMatchObject({ user, password });
    }),
  );
});

test.each([
  '',
  'host:4222',
  'http://me:hunter2@host',
  'nats://me:hunter2@',
  'nats://me:hunter2@host/path',
  'nats://me:hunter2@host?a=b',
  'nats://me:hunter2%zz@host',
  'nats://host,me:hunter2@other',
])('%s is refused without being repeated', (text) => {
  let refusal: unknown;
  try {
    parseAddress(text);
  } catch (error) {
    refusal = error;
  }
  expect(refusal).toMatchObject({ code: 'config_invalid', message: expect.stringMatching(/^url: server \d is not an address/) });
  expect(JSON.stringify(refusal)).not.toContain('hunter2');
  expect(String(refusal)).not.toContain('hunter2');
});
