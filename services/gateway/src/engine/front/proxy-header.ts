// PROXY protocol headers, versions 1 and 2: what a proxy in front says of whom it speaks for.
import { isIPv4, isIPv6 } from 'node:net';
import { crc32c } from './crc32c.ts';

/**
 * See https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt.
 * `incomplete`: ask again with more · `refused`: it is none, or in doubt · `complete`: what follows it begins at `end`;
 * `address` is the client's, absent where the proxy speaks for itself or does not know.
 */
export type ProxyHeader =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'refused'; readonly fault: string }
  | { readonly kind: 'complete'; readonly end: number; readonly address: string | undefined };

const incomplete: ProxyHeader = { kind: 'incomplete' };
/** The longest header of version 1 (section 2.1). */
const textBytesMax = 107;
/** Behind the fixed part of version 2: addresses take 216 at most, the rest is what proxies like to add. */
const blockBytesMax = 4096;
const textStart = Buffer.from('PROXY ');
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const fixedBytes = signature.length + 4;
/** Longer than any header: more need not be waited for. */
export const proxyHeaderBytesMax: number = fixedBytes + blockBytesMax;

const portPattern = /^(?:0|[1-9]\d{0,4})$/;
const portMax = 65_535;
/** Family and transport in one byte -> bytes of the addresses (section 2.2). */
const addressBytes: Readonly<Record<number, number>> = { 0: 0, 17: 12, 33: 36, 49: 216 };
const checksumType = 0x03;

/** Reads the header that `bytes` begin with; whatever way they are cut, the answer is the same. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return incomplete;
  return bytes[0] === textStart[0] ? readText(bytes) : readBinary(bytes);
}

function readText(bytes: Buffer): ProxyHeader {
  if (!beginsWith(bytes, textStart)) return refused('it does not begin with PROXY');
  const end = bytes.subarray(0, textBytesMax).indexOf('\r\n');
  if (end < 0) return bytes.length >= textBytesMax ? refused(`it has no end within ${textBytesMax} bytes`) : incomplete;
  if (end < textStart.length) return refused('it names no protocol');
  const [protocol, ...rest] = bytes.toString('latin1', textStart.length, end).split(' ');
  if (protocol === 'UNKNOWN') return { kind: 'complete', end: end + 2, address: undefined };
  const isAddress = protocol === 'TCP4' ? isIPv4 : protocol === 'TCP6' ? isPlainIpv6 : undefined;
  if (isAddress === undefined) return refused('its protocol is none of TCP4, TCP6 and UNKNOWN');
  const [source = '', destination = '', ...ports] = rest;
  if (!isAddress(source) || !isAddress(destination)) return refused(`it has not two addresses of ${protocol}`);
  if (ports.length !== 2 || !ports.every((port) => portPattern.test(port) && Number(port) <= portMax))
    return refused('it has not two ports');
  return { kind: 'complete', end: end + 2, address: protocol === 'TCP4' ? source : canonicalIpv6(source) };
}

function readBinary(bytes: Buffer): ProxyHeader {
  if (!beginsWith(bytes, signature)) return refused('it begins with no signature');
  if (bytes.length < fixedBytes) return incomplete;
  const command = bytes[signature.length] as number;
  const family = bytes[signature.length + 1] as number;
  const length = bytes.readUInt16BE(signature.length + 2);
  if (command >> 4 !== 2) return refused('its version is not 2');
  if ((command & 0xf) > 1) return refused('its command is neither LOCAL nor PROXY');
  if (length > blockBytesMax) return refused(`it announces ${length} bytes, at most ${blockBytesMax} are taken`);
  const end = fixedBytes + length;
  // The proxy asks for itself, to see whether we live: all else is without meaning.
  const isLocal = (command & 0xf) === 0;
  const known = addressBytes[family];
  if (!isLocal && known === undefined) return refused('it speaks of no stream');
  if (!isLocal && known !== undefined && length < known) return refused('its addresses are not whole');
  if (bytes.length < end) return incomplete;
  if (isLocal || known === undefined) return { kind: 'complete', end, address: undefined };
  const fault = faultOfExtras(bytes.subarray(0, end), fixedBytes + known);
  return fault === undefined ? { kind: 'complete', end, address: sourceOf(bytes, family) } : refused(fault);
}

function sourceOf(bytes: Buffer, family: number): string | undefined {
  if (family === 0x11) return bytes.subarray(fixedBytes, fixedBytes + 4).join('.');
  if (family !== 0x21) return undefined;
  return canonicalIpv6(Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(fixedBytes + 2 * index).toString(16)).join(':'));
}

/** What follows the addresses: type, length and value, up to the end; one of them may be a checksum of all (section 2.2.3). */
function faultOfExtras(header: Buffer, start: number): string | undefined {
  let at = start;
  while (at < header.length) {
    if (at + 3 > header.length) return 'what follows its addresses is cut off';
    const length = header.readUInt16BE(at + 1);
    if (at + 3 + length > header.length) return 'what follows its addresses is cut off';
    if (header[at] === checksumType) {
      if (length !== 4) return 'its checksum has not four bytes';
      const unsigned = Buffer.from(header).fill(0, at + 3, at + 7);
      if (crc32c(unsigned) !== header.readUInt32BE(at + 3)) return 'its checksum is that of another';
    }
    at += 3 + length;
  }
  return undefined;
}

/** As far as there are bytes. */
function beginsWith(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function isPlainIpv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

/** In one spelling; an IPv4 address in the clothes of IPv6 is written as what it is. */
function canonicalIpv6(text: string): string {
  const address = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (mapped === null) return address;
  return [mapped[1], mapped[2]]
    .flatMap((group) => [Number.parseInt(group ?? '', 16) >> 8, Number.parseInt(group ?? '', 16) & 0xff])
    .join('.');
}

function refused(fault: string): ProxyHeader {
  return { kind: 'refused', fault };
}
