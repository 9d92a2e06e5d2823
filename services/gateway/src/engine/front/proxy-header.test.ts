// PROXY protocol headers: those of the specification are read, all others are refused, and nothing beyond them is touched.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { crc32c } from './crc32c.ts';
import { proxyHeaderBytesMax, readProxyHeader } from './proxy-header.ts';

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

function binary(command: number, family: number, block: Buffer, length = block.length): Buffer {
  const head = Buffer.from([command, family, length >> 8, length & 0xff]);
  return Buffer.concat([signature, head, block]);
}

function extra(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value]);
}

/** With the checksum of all of it as the last of what it has besides its addresses. */
function summed(family: number, block: Buffer): Buffer {
  const header = binary(0x21, family, Buffer.concat([block, extra(3, Buffer.alloc(4))]));
  header.writeUInt32BE(crc32c(header), header.length - 4);
  return header;
}

const ipv4 = Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 0x01, 0xbb]);
const ipv6 = Buffer.concat([Buffer.from('20010db8000000000000000000000007', 'hex'), Buffer.alloc(16, 1), Buffer.alloc(4)]);
const mapped = Buffer.concat([Buffer.from('00000000000000000000ffffc0000207', 'hex'), Buffer.alloc(16, 1), Buffer.alloc(4)]);

const accepted: readonly (readonly [name: string, header: Buffer, address: string | undefined])[] = [
  ['TCP4', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\r\n'), '192.0.2.7'],
  ['TCP6', Buffer.from('PROXY TCP6 2001:DB8:0::7 ::1 0 65535\r\n'), '2001:db8::7'],
  ['TCP6 of an IPv4 client', Buffer.from('PROXY TCP6 ::ffff:192.0.2.7 ::1 1 1\r\n'), '192.0.2.7'],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), undefined],
  ['UNKNOWN with whatever', Buffer.from('PROXY UNKNOWN ffff::1 nonsense  65536\r\n'), undefined],
  ['IPv4 in binary', binary(0x21, 0x11, ipv4), '192.0.2.7'],
  ['IPv6 in binary', binary(0x21, 0x21, ipv6), '2001:db8::7'],
  ['IPv4 as IPv6 in binary', binary(0x21, 0x21, mapped), '192.0.2.7'],
  ['a Unix socket', binary(0x21, 0x31, Buffer.alloc(216)), undefined],
  ['no family', binary(0x21, 0x00, Buffer.alloc(0)), undefined],
  ['LOCAL', binary(0x20, 0x00, Buffer.alloc(0)), undefined],
  ['LOCAL with whatever', binary(0x20, 0xff, Buffer.alloc(7, 0xff)), undefined],
  [
    'with more behind the addresses',
    binary(0x21, 0x11, Buffer.concat([ipv4, extra(2, Buffer.from('acme.test')), extra(4, Buffer.alloc(3))])),
    '192.0.2.7',
  ],
  ['with its checksum', summed(0x11, Buffer.concat([ipv4, extra(2, Buffer.from('acme.test'))])), '192.0.2.7'],
  ['as long as may be', binary(0x21, 0x11, Buffer.concat([ipv4, extra(4, Buffer.alloc(4096 - 15))])), '192.0.2.7'],
];

it.each(accepted)('%s is read, whatever follows and however it is cut', (_, header, address) => {
  const complete = { kind: 'complete', end: header.length, address };
  expect(header.length).toBeLessThanOrEqual(proxyHeaderBytesMax);
  for (let length = 0; length < header.length; length++)
    expect(readProxyHeader(header.subarray(0, length))).toEqual({ kind: 'incomplete' });
  expect(readProxyHeader(header)).toEqual(complete);
  for (const rest of ['GET / HTTP/1.1\r\n', '\r\n', 'PROXY UNKNOWN\r\n', '\0']) {
    expect(readProxyHeader(Buffer.concat([header, Buffer.from(rest, 'latin1')]))).toEqual(complete);
  }
});

it.each([
  'GET / HTTP/1.1\r\n',
  'PROXY\r\n',
  'PROXY \r\n',
  'proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n',
  'PROXY TCP5 192.0.2.7 198.51.100.1 1 2\r\n',
  'PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n',
  'PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n',
  'PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n',
  'PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n',
  'PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n',
  'PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n',
  'PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n',
  'PROXY TCP4 ::1 ::1 1 2\r\n',
  'PROXY TCP6 192.0.2.7 ::1 1 2\r\n',
  'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n',
  'PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n',
  'PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n',
  'PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n',
  'PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\r\n',
  `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`,
])('version 1: %j is refused', (text) => {
  expect(readProxyHeader(Buffer.from(text))).toMatchObject({ kind: 'refused' });
});

it.each([
  ['another signature', Buffer.concat([Buffer.from('0d0a0d0a000d0a515549540b', 'hex'), Buffer.alloc(4)])],
  ['version 1 in binary', binary(0x11, 0x11, ipv4)],
  ['another command', binary(0x22, 0x11, ipv4)],
  ['datagrams', binary(0x21, 0x12, ipv4)],
  ['another family', binary(0x21, 0x41, ipv4)],
  ['a family without a transport', binary(0x21, 0x10, ipv4)],
  ['half an address', binary(0x21, 0x11, ipv4.subarray(0, 11))],
  ['an address of another family', binary(0x21, 0x21, ipv4)],
  ['what is cut off behind the addresses', binary(0x21, 0x11, Buffer.concat([ipv4, Buffer.from([4, 0])]))],
  ['what is longer than its header', binary(0x21, 0x11, Buffer.concat([ipv4, Buffer.from([4, 0, 2, 0])]))],
  ['a checksum of another length', binary(0x21, 0x11, Buffer.concat([ipv4, extra(3, Buffer.alloc(3))]))],
  ['a wrong checksum', binary(0x21, 0x11, Buffer.concat([ipv4, extra(3, Buffer.alloc(4))]))],
  ['more than is taken', binary(0x21, 0x11, Buffer.alloc(0), 4097)],
])('version 2: %s is refused', (_, header) => {
  expect(readProxyHeader(header)).toMatchObject({ kind: 'refused' });
});

it('any change of a header with a checksum is noticed, but where it speaks of another header', () => {
  const header = summed(0x11, ipv4);
  fc.assert(
    fc.property(fc.integer({ min: 16, max: header.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = Buffer.from(header);
      changed[at] = (changed[at] as number) ^ change;
      const outcome = readProxyHeader(changed);
      // Without its type it is no checksum any more; with more length it is waited for.
      const isOther = at >= 28 && at <= 30;
      expect(isOther || outcome.kind === 'refused').toBe(true);
    }),
  );
});

it('never throws, never looks beyond its bound, and says of more bytes what it said of enough', () => {
  const beginnings = fc.constantFrom(Buffer.alloc(0), signature, Buffer.from('PROXY '), ...accepted.map(([, header]) => header));
  fc.assert(
    fc.property(beginnings, fc.nat(60), fc.uint8Array({ maxLength: 200, size: 'max' }), (start, kept, tail) => {
      const bytes = Buffer.concat([start.subarray(0, Math.max(0, start.length - kept)), tail]);
      const whole = readProxyHeader(bytes);
      if (whole.kind === 'incomplete') expect(bytes.length).toBeLessThan(proxyHeaderBytesMax);
      if (whole.kind === 'complete') expect(whole.end).toBeLessThanOrEqual(bytes.length);
      for (let length = 0; length <= bytes.length; length++) {
        const part = readProxyHeader(bytes.subarray(0, length));
        if (part.kind !== 'incomplete') {
          expect(part).toEqual(whole);
          return;
        }
      }
      expect(whole.kind).toBe('incomplete');
    }),
  );
});

it('the checksum is that of the standard', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});
