// Host names as the whole house compares them: one spelling for each, everything doubtful refused.
import { BurgageError } from '@burgage/contracts';
import { toASCII } from 'tr46';
import { got } from './got.ts';
import { err, ok, type Result } from './result.ts';

const hostLengthMax = 253;
const labelLengthMax = 63;
const portMax = 65535;
/** Longest input that is looked at: more cannot become a valid name, and IDNA is not run on a book. */
const inputLengthMax = 512;

const aCode = 0x61;
const zCode = 0x7a;
const zeroCode = 0x30;
const nineCode = 0x39;
const hyphenCode = 0x2d;
const dotCode = 0x2e;

const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const ipv4Pattern = new RegExp(`^${octet}(?:\\.${octet}){3}$`);
/** A last label that URL parsers take for the end of an IPv4 address (https://url.spec.whatwg.org/#ends-in-a-number-checker). */
const numericLabelPattern = /^(?:\d+|0x[0-9a-f]*)$/;
const labelPattern = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const ipv6Pattern = /^[0-9a-f:.]+$/i;

/** Characters that people and attackers put into a Host; the rest is caught by the rule for labels. */
const refusedCharacters: Readonly<Record<string, string>> = {
  ' ': 'a space is not part of a host name',
  '@': 'user information ("@") is not part of a host name',
  '/': 'a path or scheme ("/") is not part of a host name',
  '\\': 'a backslash is not part of a host name',
  '?': 'a query ("?") is not part of a host name',
  '#': 'a fragment ("#") is not part of a host name',
  '%': 'percent-encoding is not decoded in a host name',
  '*': 'a wildcard stands only in a pattern',
  _: 'an underscore is not part of a host name',
};

/**
 * The one spelling of a host: lower case, internationalised labels as A-labels (UTS #46, non-transitional), one
 * trailing dot and the port dropped, at most 253 characters in labels of 1 to 63 letters, digits and inner hyphens. A
 * dotted-quad IPv4 address and an IPv6 address in brackets stay addresses, in their canonical spelling. Applying it to
 * its own answer changes nothing.
 *
 * Everything else is `bad_request` with the reason, in particular what URL parsers turn into addresses (`0x7f.1`,
 * full-width digits), what they let pass (`a..b`, `%41`), and a colon without a port, which no client sends.
 *
 * @example normalizeHost('Größe.Example.com.:8080') // xn--gre-6ka8i.example.com
 */
export function normalizeHost(input: string): Result<string> {
  const colon = input.indexOf(':');
  if (colon < 0) return isPlainName(input, input.length) ? ok(input) : normalizeUncommonHost(input);
  return isPlainName(input, colon) && isPort(input, colon + 1) ? ok(input.slice(0, colon)) : normalizeUncommonHost(input);
}

/** Hot path: true where the first `length` characters are a name that needs no second look. Allocates nothing. */
function isPlainName(input: string, length: number): boolean {
  if (length > hostLengthMax) return false;
  let labelStart = 0;
  let before = dotCode;
  for (let i = 0; i < length; i++) {
    const code = input.charCodeAt(i);
    if (code === dotCode) {
      if (before === dotCode || before === hyphenCode || i - labelStart > labelLengthMax) return false;
      labelStart = i + 1;
    } else if (code === hyphenCode) {
      // Two hyphens may begin an A-label, which has to be decoded to be believed.
      if (before === dotCode || before === hyphenCode) return false;
    } else if ((code < aCode || code > zCode) && (code < zeroCode || code > nineCode)) {
      return false;
    }
    before = code;
  }
  if (before === dotCode || before === hyphenCode || length - labelStart > labelLengthMax) return false;
  // A last label that begins with a digit may be an address.
  return input.charCodeAt(labelStart) > nineCode;
}

/** Hot path: true where `input` from `start` on is 1 to 5 digits and at most 65535. */
function isPort(input: string, start: number): boolean {
  const count = input.length - start;
  if (count < 1 || count > 5) return false;
  let port = 0;
  for (let i = start; i < input.length; i++) {
    const digit = input.charCodeAt(i) - zeroCode;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= portMax;
}

function normalizeUncommonHost(input: string): Result<string> {
  if (input.length > inputLengthMax) return refused(input, `it is longer than ${hostLengthMax} characters`);
  const bracket = input.startsWith('[') ? input.indexOf(']') : -1;
  const colon = bracket < 0 ? input.indexOf(':') : bracket + 1;
  const isWhole = colon < 0 || colon === input.length;
  const name = isWhole ? input : input.slice(0, colon);
  if (!isWhole && (input[colon] !== ':' || !isPort(input, colon + 1))) {
    return refused(input, `what follows the name is not a colon and a port from 0 to ${portMax}`);
  }
  return bracket < 0 ? normalizeName(name, input) : normalizeIpv6(name, input);
}

function normalizeIpv6(literal: string, input: string): Result<string> {
  if (!ipv6Pattern.test(literal.slice(1, -1)) || !URL.canParse(`http://${literal}/`)) return refused(input, 'it is not an IPv6 address');
  return ok(new URL(`http://${literal}/`).hostname);
}

function normalizeName(name: string, input: string): Result<string> {
  for (const character of name) {
    const reason = refusedCharacters[character];
    if (reason) return refused(input, reason);
    if (character < ' ' || character === '\x7f') return refused(input, 'a control character is not part of a host name');
  }
  const mapped = toAscii(name);
  if (mapped === undefined) return refused(input, 'it is not a valid internationalised name');
  const host = mapped.endsWith('.') ? mapped.slice(0, -1) : mapped;
  if (host === '') return refused(input, 'there is no name in it');
  if (host.length > hostLengthMax) return refused(input, `it is longer than ${hostLengthMax} characters`);
  const labels = host.split('.');
  for (const label of labels) {
    if (label === '') return refused(input, 'it has an empty label (a dot first, or two in a row)');
    if (label.length > labelLengthMax) return refused(input, `it has a label of more than ${labelLengthMax} characters`);
    if (!labelPattern.test(label)) return refused(input, 'a label has letters, digits and hyphens, and begins and ends without a hyphen');
  }
  // An address is believed only as it was written: never one that mapping made.
  if (numericLabelPattern.test(labels.at(-1) ?? '') && !(ipv4Pattern.test(host) && name.startsWith(host))) {
    return refused(input, 'its last label is a number, but it is no IPv4 address of four decimal numbers from 0 to 255');
  }
  return ok(host);
}

/** The name in lower-case ASCII; undefined where IDNA has no such name. */
function toAscii(name: string): string | undefined {
  const lowerCase = isAscii(name) ? name.toLowerCase() : undefined;
  if (lowerCase !== undefined && !lowerCase.includes('xn--')) return lowerCase;
  return toASCII(name, { useSTD3ASCIIRules: true, checkBidi: true, checkJoiners: true }) ?? undefined;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/**
 * A host or a wildcard over hosts in its one spelling: `*.` in front stands for exactly one label, `**.` for one or
 * more. What follows is as in `normalizeHost`, and not an address.
 */
export function normalizeHostPattern(input: string): Result<string> {
  const prefix = input.startsWith('**.') ? '**.' : input.startsWith('*.') ? '*.' : '';
  if (prefix === '') return normalizeHost(input);
  const rest = normalizeHost(input.slice(prefix.length));
  if (!rest.ok) return refused(input, 'a wildcard is "*." or "**." and a host name');
  if (isAddress(rest.value)) return refused(input, 'an address has no names below it');
  // The wildcard stands for at least one character.
  if (rest.value.length + 2 > hostLengthMax) return refused(input, 'no name below it is short enough');
  return ok(prefix + rest.value);
}

/**
 * The wildcards that match a normalised host, in the order in which they are looked up once the exact name is not
 * there: one label, then the longest first.
 *
 * @example wildcardCandidates('a.b.example.com') // ['*.b.example.com', '**.b.example.com', '**.example.com', '**.com']
 */
export function wildcardCandidates(host: string): string[] {
  if (isAddress(host)) return [];
  const candidates: string[] = [];
  for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
    const rest = host.slice(dot);
    if (candidates.length === 0) candidates.push(`*${rest}`);
    candidates.push(`**${rest}`);
  }
  return candidates;
}

/** True for a normalised host that is an IP address. */
function isAddress(host: string): boolean {
  return host.startsWith('[') || ipv4Pattern.test(host);
}

/** `reason` is not said of nothing. */
function refused(input: string, reason: string): Result<never> {
  const description = `${got(input)}, expected a host name${input === '' ? '' : `: ${reason}`}`;
  return err(new BurgageError('bad_request', { message: `host: ${description}`, fields: [{ field: 'host', description }] }));
}
