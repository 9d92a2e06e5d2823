// An event as a NATS message: CloudEvents attributes in headers, the data as it is (CloudEvents NATS binding, binary mode).
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import type { Event } from '../port.ts';

/** Message or stored message: what an event is read from. */
export interface Received {
  readonly headers: MsgHdrs | undefined;
  readonly data: Uint8Array;
}

const contentType = 'application/protobuf';

export function headersOf(event: Event): MsgHdrs {
  const fields = headers();
  fields.set('ce-specversion', '1.0');
  fields.set('ce-id', escapeText(event.id));
  fields.set('ce-type', event.subject);
  fields.set('ce-source', escapeText(event.source));
  fields.set('ce-subject', escapeText(event.entity));
  fields.set('ce-time', escapeText(event.time));
  if (event.schema !== undefined) fields.set('ce-dataschema', escapeText(event.schema));
  if (event.traceparent !== undefined) fields.set('traceparent', escapeText(event.traceparent));
  fields.set('content-type', contentType);
  return fields;
}

/** How much a server has to take for a message, a little too much rather than too little. */
export function messageBytes(fields: MsgHdrs, data: Uint8Array): number {
  let bytes = data.length + 64;
  for (const [name, values] of fields) for (const value of values) bytes += name.length + value.length + 4;
  return bytes;
}

/** The event in a message; undefined where the message is none: somebody else published it. */
export function eventOf({ headers: fields, data }: Received): Event | undefined {
  const id = unescapeText(fields?.get('ce-id') ?? '');
  const subject = fields?.get('ce-type') ?? '';
  if (fields === undefined || id === '' || subject === '') return undefined;
  return {
    id,
    subject,
    source: unescapeText(fields.get('ce-source')),
    entity: unescapeText(fields.get('ce-subject')),
    time: unescapeText(fields.get('ce-time')),
    ...(fields.has('traceparent') ? { traceparent: unescapeText(fields.get('traceparent')) } : {}),
    ...(fields.has('ce-dataschema') ? { schema: unescapeText(fields.get('ce-dataschema')) } : {}),
    // A copy: what came is a view into all that came with it.
    data: new Uint8Array(data),
  };
}

const plainText = /^[\x21\x23\x24\x26-\x7e]*$/;
const escapedByte = /%([0-9a-fA-F]{2})/g;

/** `text` as a header value. Source: CloudEvents HTTP binding 1.0.2, 3.1.3.2, to which the NATS binding refers. */
export function escapeText(text: string): string {
  if (plainText.test(text)) return text;
  return text.replaceAll(/[^\x21\x23\x24\x26-\x7e]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

export function unescapeText(value: string): string {
  if (!value.includes('%')) return value;
  const bytes = Buffer.from(value);
  const text = bytes.toString('latin1').replaceAll(escapedByte, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(text, 'latin1').toString();
}
