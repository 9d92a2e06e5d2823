// Reads what a proxy sent from its bytes, and holds it to the grammar: written apart from the engine's parsers, so that both cannot err alike.

export interface Message {
  /** Request or status line. */
  readonly line: string;
  /** Names in lower case, and values. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  readonly trailers: readonly (readonly [name: string, value: string])[];
  /** The head as it came. */
  readonly head: string;
  /** Its bytes altogether. */
  readonly length: number;
}

/** How a message without length and coding ends. */
export type Otherwise = 'empty' | 'until-end';

/**
 * The first message of a text in Latin-1; undefined where it is not whole. As forgiving as an old server: any line of a head
 * may be anything, and the last length counts. A body that is no body ends nowhere.
 */
export function readMessage(text: string, otherwise: Otherwise = 'empty', isEnded = false): Message | undefined {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const head = text.slice(0, headEnd + 4);
  const [line = '', ...lines] = head.slice(0, -4).split('\r\n');
  const fields = lines.map(fieldOf);
  const start = headEnd + 4;
  const whole = (body: string, length: number, trailers: Message['trailers'] = []): Message => {
    return { line, fields, body, trailers, head, length };
  };
  if (valuesOf(fields, 'transfer-encoding').some((value) => /chunked$/i.test(value))) {
    const read = readChunks(text, start);
    return read && whole(read.body, read.end, read.trailers);
  }
  const announced = valuesOf(fields, 'content-length').at(-1);
  if (announced !== undefined) {
    const end = start + Number(announced);
    return end <= text.length ? whole(text.slice(start, end), end) : undefined;
  }
  if (otherwise === 'empty') return whole('', start);
  return isEnded ? whole(text.slice(start), text.length) : undefined;
}

function fieldOf(line: string): readonly [string, string] {
  const colon = line.indexOf(':');
  return colon < 0 ? ['', line] : [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

export function valuesOf(fields: Message['fields'], name: string): string[] {
  return fields.flatMap(([other, value]) => (other === name ? [value] : []));
}

function readChunks(text: string, start: number): { body: string; end: number; trailers: Message['trailers'] } | undefined {
  let body = '';
  let at = start;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (Number.isNaN(size)) return undefined;
    at = lineEnd + 2;
    if (size === 0) break;
    if (text.length < at + size + 2) return undefined;
    body += text.slice(at, at + size);
    at += size + 2;
  }
  if (text.startsWith('\r\n', at)) return { body, end: at + 2, trailers: [] };
  const end = text.indexOf('\r\n\r\n', at);
  return end < 0 ? undefined : { body, end: end + 4, trailers: text.slice(at, end).split('\r\n').map(fieldOf) };
}

const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const fieldLine = new RegExp(`^${token}: ?(?:[!-~\\x80-\\xff](?:[\\t -~\\x80-\\xff]*[!-~\\x80-\\xff])?)?$`);
const requestLine = new RegExp(`^${token} /[!"$-~]* HTTP/1\\.1$`);
const statusLine = /^HTTP\/1\.1 [1-9]\d\d [\t -~]*$/;

/**
 * What is wrong with a head that a proxy wrote, to the letter of RFC 9112: each line, and where the message ends. A request
 * names one host and its path begins with a slash.
 */
export function headFaults(kind: 'request' | 'answer', { head, fields }: Message): string[] {
  const faults: string[] = [];
  const [line = '', ...lines] = head.slice(0, -4).split('\r\n');
  if (!(kind === 'request' ? requestLine : statusLine).test(line)) faults.push(`line: ${line}`);
  for (const field of lines) if (!fieldLine.test(field)) faults.push(`field: ${field}`);
  const lengths = valuesOf(fields, 'content-length');
  const codings = valuesOf(fields, 'transfer-encoding');
  if (lengths.length + codings.length > 1) faults.push('more than one length or coding');
  for (const length of lengths) if (!/^\d+$/.test(length)) faults.push(`length: ${length}`);
  for (const coding of codings) if (coding !== 'chunked') faults.push(`coding: ${coding}`);
  if (kind === 'request' && valuesOf(fields, 'host').length !== 1) faults.push('not one Host');
  return faults;
}
