import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatAddress, parseAddress, parseTarget } from './address.ts';

describe('parseTarget', () => {
  test.each([
    ['unix:/run/registry.sock', 'unix', 'unix:/run/registry.sock'],
    ['unix:/run/a,b/registry.sock', 'unix', 'unix:/run/a,b/registry.sock'],
    ['registry:9000', 'tcp', 'dns:///registry:9000'],
    ['dns:9000', 'tcp', 'dns:///dns:9000'],
    ['dns:///registry.burgage.svc:9000', 'tcp', 'dns:///registry.burgage.svc:9000'],
    ['10.0.0.1:9000', 'tcp', 'ipv4:10.0.0.1:9000'],
    ['[::1]:9000', 'tcp', 'ipv6:[::1]:9000'],
    ['10.0.0.1:9000,10.0.0.2:9000', 'tcp', 'ipv4:10.0.0.1:9000,10.0.0.2:9000'],
    ['[::1]:9000,[::1]:9001', 'tcp', 'ipv6:[::1]:9000,[::1]:9001'],
  ])('%s is understood', (text, kind, uri) => {
    expect(parseTarget(text)).toEqual({ kind, uri, text });
  });

  test.each([
    ['', 'a port from 1 to 65535'],
    ['registry', 'a port from 1 to 65535'],
    ['registry:0', 'a port from 1 to 65535'],
    ['dns:///registry', 'a port from 1 to 65535'],
    ['dns://8.8.8.8/registry:1', 'a port from 1 to 65535'],
    ['unix:run/x.sock', 'an absolute path'],
    ['10.0.0.1:9000,10.0.0.2', 'not "10.0.0.2"'],
    ['10.0.0.1:9000,', 'not ""'],
    ['10.0.0.1:9000,10.0.0.2:0', 'not "10.0.0.2:0"'],
    ['10.0.0.1:9000, 10.0.0.2:9000', 'not " 10.0.0.2:9000"'],
    ['registry-1:9000,registry-2:9000', 'not the name registry-1; dns:///NAME:PORT'],
    ['10.0.0.1:9000,registry:9000', 'not the name registry; dns:///NAME:PORT'],
    ['10.0.0.1:9000,dns:///registry:9000', 'one kind of address'],
    ['10.0.0.1:9000,unix:/run/x.sock', 'one kind of address'],
    ['unix:/run/x.sock,10.0.0.1:9000', 'one kind of address'],
    ['unix:/run/x.sock,unix:/run/y.sock', 'one kind of address'],
    ['10.0.0.1:9000,[::1]:9000', 'all IPv4 or all IPv6'],
    ['10.0.0.1:9000,10.0.0.2:9000,10.0.0.1:9000', 'each replica once; 10.0.0.1:9000 is there twice'],
  ])('%j is refused with what was expected', (text, expected) => {
    let message = '';
    try {
      parseTarget(text);
    } catch (error) {
      expect(error).toMatchObject({ code: 'config_invalid', fields: [{ field: 'address' }] });
      message = (error as Error).message;
    }
    expect(message).toMatch(/^address: /);
    expect(message).toContain(JSON.stringify(text));
    expect(message).toContain(expected);
  });

  test('no text whatever makes it throw anything but config_invalid', () => {
    const piece = fc.constantFrom('unix:', 'dns:///', '/', 'a', '10.0.0.1', '[::1]', ':', '9000', ',', ' ', '0');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
          fc.string({ maxLength: 12 }),
        ),
        (text) => {
          try {
            expect(parseTarget(text).text).toBe(text);
          } catch (error) {
            expect(error).toMatchObject({ code: 'config_invalid' });
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

test('an address that is written is read as the same', () => {
  const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
  const address = fc.record({ kind: fc.constant('tcp' as const), host, port: fc.nat(65_535) });
  fc.assert(
    fc.property(address, (one) => {
      expect(parseAddress(formatAddress(one))).toEqual(one);
    }),
  );
});
