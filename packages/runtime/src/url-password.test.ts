import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasPassword, withoutPassword } from './url-password.ts';

test.each([
  ['mongodb://user:secret@db.example:27017/burgage?tls=true', 'mongodb://user:•••@db.example:27017/burgage?tls=true'],
  ['mongodb+srv://user:s%40cret@cluster.example', 'mongodb+srv://user:•••@cluster.example'],
  ['mongodb://user:secret@a:1,b:2,[::1]:3/?replicaSet=r', 'mongodb://user:•••@a:1,b:2,[::1]:3/?replicaSet=r'],
  ['nats://user:secret@a:4222,nats://user:other@b:4222', 'nats://user:•••@a:4222,nats://user:•••@b:4222'],
  ['nats://t0k3n@a:4222', 'nats://•••@a:4222'],
  ['mongodb://db/?tlsCertificateKeyFilePassword=secret&w=1', 'mongodb://db/?tlsCertificateKeyFilePassword=•••&w=1'],
])('%s is shown as %s', (url, shown) => {
  expect(withoutPassword(url)).toBe(shown);
  expect(hasPassword(url)).toBe(true);
});

test.each([
  'mongodb://db.example:27017/burgage?appName=a@b',
  'mongodb://a:1,b:2/?replicaSet=r',
  'nats://[::1]:4222',
  'nats://a:4222,nats://b:4222',
  'nats://a:4222,b:4222',
  'localhost',
])('%s has nothing to hide', (url) => {
  expect(withoutPassword(url)).toBe(url);
  expect(hasPassword(url)).toBe(false);
});

test('a password that was not encoded, or whose host was forgotten, is hidden too', () => {
  expect(withoutPassword('mongodb://user:pa/ss@db')).toBe('mongodb://user:•••@db');
  expect(withoutPassword('mongodb://user@corp:pa/ss@db')).toBe('mongodb://user@corp:•••@db');
  expect(withoutPassword('mongodb://user:secret')).toBe('mongodb://•••');
  expect(withoutPassword('user:secret@db')).toBe('user:•••@db');
});

test('whatever the password, it is never shown', () => {
  // One with a question mark that was not encoded may read as a host with a query.
  const readable = (text: string) => !/[?#]|,[a-z][a-z0-9+.-]*:\/\//i.test(text);
  const password = fc.string({ minLength: 6, unit: 'grapheme-ascii' });
  fc.assert(
    fc.property(password, fc.boolean(), (text, encoded) => {
      const sent = encoded || !readable(text) ? encodeURIComponent(text) : text;
      expect(withoutPassword(`mongodb://user:${sent}@db.example:27017/x`)).not.toContain(sent);
    }),
    { numRuns: 2_000 },
  );
});
