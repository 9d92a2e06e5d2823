// Which server a client names: a host in its one spelling, nobody where it names an address, and nothing else.
import { expect, it } from 'vitest';
import { serverOf } from './server-name.ts';

it.each([
  ['acme.burgage.internal', 'acme.burgage.internal'],
  ['ACME.burgage.internal.', 'acme.burgage.internal'],
  ['127.0.0.1', null],
  ['127.0.0.1.', null],
  ['::1', null],
  ['2001:db8::1', null],
  ['127.1', undefined],
  ['0x7f.1', undefined],
  ['acme.burgage.internal/other', undefined],
  ['*.burgage.internal', undefined],
  ['', undefined],
])('%s names %s', (named, server) => {
  expect(serverOf(named)).toBe(server);
});
