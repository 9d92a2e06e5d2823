import { expect, test } from 'vitest';
import { clientOf } from './client.ts';

const of = (forwardedFor: string) => clientOf(new Headers({ 'x-forwarded-for': forwardedFor }));

test('a client is what the gateway wrote last, whatever was claimed before it', () => {
  expect(of('192.0.2.1')).toBe('192.0.2.1');
  expect(of('6.6.6.6, evil, 192.0.2.1')).toBe('192.0.2.1');
  const twice = new Headers([
    ['x-forwarded-for', '6.6.6.6'],
    ['x-forwarded-for', '192.0.2.1'],
  ]);
  expect(clientOf(twice)).toBe('192.0.2.1');
});

test('all addresses of an IPv6 subscriber are one client, those of another subscriber and embedded IPv4 addresses are not', () => {
  for (const address of ['2001:db8:0:7::1', '2001:DB8:0000:7:ffff:ffff:ffff:ffff', '2001:db8::7:0:0:0:1', '2001:db8:0:7::1%eth0'])
    expect(of(address), address).toBe('2001:db8:0:7');
  expect(of('2001:db8:0:8::1')).toBe('2001:db8:0:8');
  expect(of('::1')).toBe('0:0:0:0');
  expect(of('::ffff:192.0.2.1')).not.toBe(of('::ffff:192.0.2.2'));
});

test('what names no address is one client', () => {
  expect(clientOf(new Headers())).toBe('unknown');
  for (const text of ['', 'unknown', '_hidden', '192.0.2.1:80', '[::1]', '192.0.2.1,', '1.2.3.4.5']) expect(of(text), text).toBe('unknown');
});
