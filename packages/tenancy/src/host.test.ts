import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { normalizeHost, normalizeHostPattern, unwrap, wildcardCandidates } from './index.ts';

const plainLabel = fc.stringMatching(/^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$/).filter((label) => !label.startsWith('xn--'));
const plainHost = fc.array(plainLabel, { minLength: 1, maxLength: 6 }).map((labels) => labels.join('.'));
const pieces = fc.constantFrom(
  'a',
  'B',
  '7',
  '-',
  '--',
  '.',
  '..',
  ':',
  ':80',
  'xn--',
  '[',
  ']',
  '::1',
  '0x7f',
  '127.0.0.1',
  '%41',
  '@',
  '/',
  '\\',
  '_',
  ' ',
  '\0',
  'ß',
  'ä',
  '例',
  '。',
  '．',
  '１',
  'ｘ',
  'א',
  'ع',
  '\u200d',
  '\u00ad',
  '\u0301',
  '℀',
  '𐀀',
);
const nearHost = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(''));
const brokenText = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 30 }).map((units) => String.fromCharCode(...units));
const punycode = fc.stringMatching(/^xn--[a-zA-Z0-9-]{1,12}$/);
const anyInput = fc.oneof(
  nearHost,
  punycode,
  fc.domain(),
  fc.ipV4(),
  fc.ipV4Extended(),
  fc.ipV6(),
  fc.webAuthority({ withPort: true, withUserInfo: true }),
  fc.string({ unit: 'binary' }),
  brokenText,
);

const normalForm = /^(?:(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*|\[[0-9a-f:]+\])$/;

describe('host normaliser, whatever comes', () => {
  test('answers or refuses and never throws, and what it answers is in normal form and its own normal form', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const result = normalizeHost(input);
        if (!result.ok) {
          expect(result.error.code).toBe('bad_request');
          return;
        }
        expect(result.value).toMatch(normalForm);
        expect(normalizeHost(result.value)).toEqual(result);
      }),
      { numRuns: 2_000 },
    );
  });

  test('what it answers is no other host to a URL parser', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const result = normalizeHost(input);
        if (result.ok && !result.value.includes('xn--')) expect(new URL(`http://${result.value}/`).hostname).toBe(result.value);
      }),
      { numRuns: 1_000 },
    );
  });

  test('case, a trailing dot and a port change nothing', () => {
    fc.assert(
      fc.property(plainHost, fc.integer({ min: 0, max: 65535 }), fc.boolean(), fc.boolean(), (host, port, upper, dot) => {
        const written = `${upper ? host.toUpperCase() : host}${dot ? '.' : ''}:${port}`;
        expect(normalizeHost(written)).toEqual({ ok: true, value: host });
      }),
    );
  });

  test('every plain name is its own normal form', () => {
    fc.assert(
      fc.property(plainHost, (host) => {
        expect(normalizeHost(host)).toEqual({ ok: true, value: host });
      }),
    );
  });
});

describe('host normaliser, one by one', () => {
  test.for([
    ['acme.localhost:8080', 'acme.localhost'],
    ['localhost', 'localhost'],
    ['A.Example.COM.', 'a.example.com'],
    ['Größe.Example.com.:8080', 'xn--gre-6ka8i.example.com'],
    ['faß.de', 'xn--fa-hia.de'],
    ['例え。テスト。', 'xn--r8jz45g.xn--zckzah'],
    ['XN--GRE-6KA8I.example.com', 'xn--gre-6ka8i.example.com'],
    ['r3---sn.example.com', 'r3---sn.example.com'],
    ['7.1password.example', '7.1password.example'],
    ['1.2.3.example', '1.2.3.example'],
    ['127.0.0.1', '127.0.0.1'],
    ['127.0.0.1.:80', '127.0.0.1'],
    ['[::1]:8080', '[::1]'],
    ['[2001:DB8:0:0:0:0:0:1]', '[2001:db8::1]'],
    ['[::ffff:192.0.2.1]', '[::ffff:c000:201]'],
    [`${'a'.repeat(63)}.b`, `${'a'.repeat(63)}.b`],
    [`${'a.'.repeat(126)}a`, `${'a.'.repeat(126)}a`],
    [`${'a.'.repeat(126)}a.:1`, `${'a.'.repeat(126)}a`],
  ] as const)('%s is %s', ([input, host]) => {
    expect(normalizeHost(input)).toEqual({ ok: true, value: host });
  });

  test.for([
    ['', 'host: is missing, expected a host name'],
    ['.', 'no name'],
    ['..', 'empty label'],
    ['a..b', 'empty label'],
    ['.a', 'empty label'],
    ['a..', 'empty label'],
    ['a b', 'space'],
    [' a', 'space'],
    ['a\t', 'control'],
    ['a\r\nb', 'control'],
    ['a\0', 'control'],
    ['a\x7f', 'control'],
    ['user@a', 'user information'],
    ['user:pass@a', 'port'],
    ['http://a', 'port'],
    ['a/b', 'path'],
    ['a\\b', 'backslash'],
    ['a?b', 'query'],
    ['a#b', 'fragment'],
    ['%41', 'percent'],
    ['a_b.c', 'underscore'],
    ['*.a', 'wildcard'],
    ['a,b', 'letters, digits and hyphens'],
    ['-a', 'hyphen'],
    ['a-.b', 'hyphen'],
    [`${'a'.repeat(64)}.b`, '63'],
    [`${'a.'.repeat(126)}ab`, '253'],
    ['a'.repeat(100_000), '253'],
    ['a:', 'port'],
    ['a:b', 'port'],
    ['a:-1', 'port'],
    ['a:65536', 'port'],
    ['a:080808', 'port'],
    ['a:80:80', 'port'],
    ['a: 80', 'port'],
    ['::1', 'port'],
    ['[::1', 'port'],
    ['[::1]80', 'port'],
    ['[]', 'IPv6'],
    ['[::g]', 'IPv6'],
    ['[fe80::1%eth0]', 'IPv6'],
    ['[127.0.0.1]', 'IPv6'],
    [':80', 'no name'],
    ['0x7f.1', 'IPv4'],
    ['0x7f000001', 'IPv4'],
    ['2130706433', 'IPv4'],
    ['127.1', 'IPv4'],
    ['0177.0.0.1', 'IPv4'],
    ['127.0.0.01', 'IPv4'],
    ['256.0.0.1', 'IPv4'],
    ['1.2.3.4.5', 'IPv4'],
    ['a.b.0x', 'IPv4'],
    ['１２７.０.０.１', 'IPv4'],
    ['127。0。0。1', 'IPv4'],
    ['0ｘ7f.1', 'IPv4'],
    ['xn--a', 'internationalised'],
    ['xn--', 'internationalised'],
    ['xn--ä', 'internationalised'],
    ['\u00ad', 'no name'],
    ['a℀b', 'internationalised'],
    ['\u0301a', 'internationalised'],
    ['אa', 'internationalised'],
    ['a\u200db', 'internationalised'],
    ['\ud800', 'internationalised'],
  ] as const)('%j is refused: %s', ([input, reason]) => {
    const result = normalizeHost(input);
    expect(result).toMatchObject({ ok: false, error: { code: 'bad_request', fields: [{ field: 'host' }] } });
    expect(!result.ok && result.error.message).toContain(reason);
    expect(!result.ok && result.error.message).toMatch(/^host: (?:is missing|got ".*), expected a host name/);
    expect(!result.ok && result.error.message.length).toBeLessThan(300);
  });
});

describe('host patterns', () => {
  test.for([
    ['*.Example.com', '*.example.com'],
    ['**.Größe.example.', '**.xn--gre-6ka8i.example'],
    ['**.com', '**.com'],
    ['acme.example.com', 'acme.example.com'],
  ] as const)('%s is %s', ([input, pattern]) => {
    expect(normalizeHostPattern(input)).toEqual({ ok: true, value: pattern });
  });

  test.for(['*', '**', '*.', '*..a', '***.a', 'a.*.b', '*.*.a', '*.127.0.0.1', '**.[::1]', `*.${'a.'.repeat(126)}a`, '*a.b'])(
    '%s is refused',
    (input) => {
      expect(normalizeHostPattern(input)).toMatchObject({ ok: false, error: { code: 'bad_request' } });
    },
  );

  test('a pattern is its own normal form', () => {
    fc.assert(
      fc.property(fc.constantFrom('', '*.', '**.'), anyInput, (prefix, input) => {
        const result = normalizeHostPattern(prefix + input);
        if (result.ok) expect(normalizeHostPattern(result.value)).toEqual(result);
      }),
    );
  });
});

describe('wildcards of a host', () => {
  test('one label comes first, then the longest', () => {
    expect(wildcardCandidates('a.b.example.com')).toEqual(['*.b.example.com', '**.b.example.com', '**.example.com', '**.com']);
  });

  test('a name without dots and an address have none', () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]']) expect(wildcardCandidates(host)).toEqual([]);
  });

  test('they are exactly the patterns that match by the definition of the two wildcards', () => {
    const matches = (pattern: string, host: string) => {
      const below = host.endsWith(pattern.slice(pattern.indexOf('.'))) ? host.slice(0, -(pattern.length - pattern.indexOf('.'))) : '';
      return below !== '' && (pattern.startsWith('**.') || !below.includes('.'));
    };
    fc.assert(
      fc.property(plainHost, plainHost, (host, other) => {
        const candidates = wildcardCandidates(host);
        const labels = host.split('.');
        const suffixes = [...labels.map((_, i) => labels.slice(i).join('.')), other];
        for (const pattern of suffixes.flatMap((suffix) => [`*.${suffix}`, `**.${suffix}`])) {
          expect(candidates.includes(pattern), `${pattern} for ${host}`).toBe(matches(pattern, host));
        }
        for (const pattern of candidates) expect(unwrap(normalizeHostPattern(pattern))).toBe(pattern);
        expect(new Set(candidates).size).toBe(candidates.length);
        expect(candidates.slice(1)).toEqual(candidates.slice(1).toSorted((a, b) => b.length - a.length));
      }),
    );
  });
});
