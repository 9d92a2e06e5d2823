// One case through one lane: what reached the backend, and what the client saw.
import { connect } from 'node:net';
import type { Lane } from './contestants.ts';
import { type Message, readMessage, valuesOf } from './message-reader.ts';

export interface Seen {
  /** The requests that the backend got whole. */
  readonly requests: readonly Message[];
  /** All that the client got, in Latin-1. */
  readonly received: string;
}

/** Nobody needs so long, on a machine that is busy with all else: a contestant that does has hung. */
const hungMs = 20_000;

/** What is sent behind every case, so that it shows where a contestant takes the case's message to end. */
export const sentinel = 'GET /sentinel HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n\r\n';

/** Sends the bytes and takes what comes until the contestant ends the connection, which all of them do in the end. */
export async function exchange({ host, port, backend }: Lane, text: string): Promise<Seen> {
  const received = await send(host, port, text);
  return { requests: await backend.taken(), received };
}

function send(host: string, port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true }).setEncoding('latin1');
    let received = '';
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`hung: ${JSON.stringify(text.slice(0, 200))}, received ${JSON.stringify(received.slice(0, 200))}`));
    }, hungMs);
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(received);
    };
    socket.once('connect', () => socket.write(text, 'latin1'));
    socket.on('data', (more: string) => (received += more));
    socket.on('end', done).on('close', done).on('error', done);
  });
}

/** What counts of a request that was forwarded: all but its further fields. */
export function essence({ line, fields, body }: Message): string {
  const [method, target] = line.split(' ');
  return `${method} ${target} of ${valuesOf(fields, 'host').join(' and ') || 'nobody'} with ${JSON.stringify(body)}`;
}

const sentinelEssence = 'GET /sentinel of acme.test with ""';

/** What was forwarded of a case, without what was only sent behind it. */
export function forwarded({ requests }: Seen): string[] {
  const all = requests.map(essence);
  return all.at(-1) === sentinelEssence ? all.slice(0, -1) : all;
}

/** The answers of the contestant itself: their statuses. */
export function refusals({ received }: Seen): number[] {
  return received
    .split(/(?=HTTP\/1\.[01] \d{3} )/)
    .filter((answer) => answer.startsWith('HTTP/1.') && !/^x-app:/im.test(answer))
    .map((answer) => Number(answer.slice(9, 12)))
    .filter((status) => status >= 200);
}

/** In a few words: `passes`, the status of the refusal, or `closes` where there is none; and what came of what followed. */
export function verdict(seen: Seen): string {
  const passed = forwarded(seen);
  const [status] = refusals(seen);
  if (passed.length === 0) return status === undefined ? 'closes' : String(status);
  const words = passed.length === 1 ? 'passes' : `passes as ${passed.length}`;
  return status === undefined ? words : `${words}, then ${status}`;
}

/** What a client makes of the bytes: whole answers, and whether what follows is the beginning of one, or none at all. */
export interface Answers {
  readonly whole: readonly Message[];
  readonly rest: 'nothing' | 'breaks off' | 'no answer';
}

/** The answers to a request with that method and to the sentinel. */
export function answersOf({ received }: Pick<Seen, 'received'>, method: string): Answers {
  const whole: Message[] = [];
  let rest = received;
  let awaited = method;
  while (rest !== '') {
    if (!/^HTTP\/1\.[01] \d/.test(rest)) return { whole, rest: 'no answer' };
    const message = readAnswer(rest, awaited);
    if (message === undefined) return { whole, rest: 'breaks off' };
    rest = rest.slice(message.length);
    whole.push(message);
    if (statusOf(message) >= 200) awaited = 'GET';
  }
  return { whole, rest: 'nothing' };
}

function readAnswer(text: string, method: string): Message | undefined {
  const status = Number(text.slice(9, 12));
  if (method !== 'HEAD' && status >= 200 && status !== 204 && status !== 304) return readMessage(text, 'until-end', true);
  const headEnd = text.indexOf('\r\n\r\n') + 4;
  const head = readMessage(text.slice(0, headEnd).replace(/^(?:content-length|transfer-encoding):.*\r\n/gim, ''));
  return head && { ...head, head: text.slice(0, headEnd), length: headEnd };
}

export function statusOf({ line }: Message): number {
  return Number(line.slice(9, 12));
}

/** Of a proxy that has nothing to pass on; no answer of the corpus has one of these. */
const failures: ReadonlySet<number> = new Set([500, 502, 504]);

/** What the client has of the backend's answer to one request: its statuses and its body, or what it has instead. */
export function answered(seen: Seen, method: string): string[] {
  const { whole, rest } = answersOf(seen, method);
  // The last is the sentinel's, unless the connection ended before.
  const toSentinel = whole.at(-1);
  const own = toSentinel !== undefined && valuesOf(toSentinel.fields, 'x-app').length > 0 ? whole.slice(0, -1) : whole;
  const told = own.map((message) => {
    const status = statusOf(message);
    if (failures.has(status)) return String(status);
    return status < 200 ? `a ${status}` : `${status} with ${JSON.stringify(message.body)}`;
  });
  if (rest !== 'nothing') told.push(rest);
  return told.length === 0 ? ['closes'] : told;
}

/** The same in a few words. */
export function answerVerdict(told: readonly string[]): string {
  const words = told.map((one) => (/^[2-9]\d\d with /.test(one) ? 'passes' : one));
  return [...new Set(words)]
    .map((word) =>
      words.filter((other) => other === word).length > 1 ? `${word} × ${words.filter((other) => other === word).length}` : word,
    )
    .join(', ');
}
