// Cookies for neighbours.
import { describe, expect, it } from 'vitest';
import { isShared } from './cookies.ts';

describe('isShared', () => {
  it.each([
    ['a=1', false],
    ['a=1; Path=/; Secure', false],
    ['a=1; Domain=acme.example.com', false],
    ['a=1; Domain=example.com', true],
    ['a=1; domain=.Example.COM', true],
    ['a=1;DOMAIN = example.com. ; Path=/', true],
    ['a=1; Domain=com', true],
    ['a=1; Domain=acme.example.com; Domain=example.com', true],
    ['a=1; Domain=example.com; Domain=acme.example.com', true],
    ['a=1; Domain=badexample.com', false],
    ['a=1; Domain=other.org', false],
    ['a=1; Domain=', false],
    ['a=1; Domain="example.com"', true],
    ['a=1; Domain=" .example.com "', true],
    ['a=1; Domain="acme.example.com"', false],
    ['a=1; Domain=\xc3\xa9xample.com', true],
    ['a=1; Domain=\uff45xample.com', true],
    ['a=Domain=example.com', false],
  ])('%s: %s', (cookie, shared) => {
    expect(isShared(cookie, 'example.com')).toBe(shared);
  });
});
