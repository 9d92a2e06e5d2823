// JSON values as BSON keeps them: what a server would not keep as it is, is written in another way and read back the same.
import type { Json } from '../port.ts';

/**
 * The one name of a document that stands for something: the piece is kept as JSON text. Names of values cannot be
 * mistaken for it, as in theirs a `%` is followed by a code.
 */
const jsonName = '%json';
/** Servers keep 100 levels. A value stands some levels deep in its document. */
const depthMax = 80;

/**
 * Servers refuse or misread dots, a leading dollar and zero bytes; BSON cannot carry half a character; the driver takes
 * an object with `_bsontype` for one of its own.
 */
const unsafeInName = /[%.\0\p{Cs}]|^\$|^_(?=bsontype$)/gu;
const codeInName = /%([0-9A-F]{2})|%u([0-9A-F]{4})/g;

/** A name as a field of a BSON document; no two names become one. Also fit for a step of a path. */
export function escapeName(name: string): string {
  if (name === '') return '%';
  return name.replace(unsafeInName, (character) => {
    const code = character.charCodeAt(0).toString(16).toUpperCase();
    return code.length > 2 ? `%u${code}` : `%${code.padStart(2, '0')}`;
  });
}

export function unescapeName(name: string): string {
  if (name === '%') return '';
  return name.replace(codeInName, (_, short?: string, long?: string) => String.fromCharCode(Number.parseInt(short ?? long ?? '', 16)));
}

/**
 * `value` for BSON. Numbers become doubles or 32-bit integers, objects documents with escaped names. Kept as JSON text
 * are half characters, lists right inside lists, and what is nested very deeply.
 */
export function toBson(value: Json, depth = 0): unknown {
  if (typeof value === 'string') return value.isWellFormed() ? value : asText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === depthMax) return asText(value);
  if (isList(value)) return value.map((item) => (isList(item) ? asText(item) : toBson(item, depth + 1)));
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [escapeName(name), toBson(inner, depth + 1)]));
}

/**
 * What `toBson` was given. Hot: lists read a thousand documents at once. So `value`, which must be nobody else's, is
 * changed where it stands, and copied only where a name is escaped.
 * @throws TypeError, SyntaxError where it is nothing that `toBson` gave.
 */
export function fromBson(value: unknown): Json {
  if (typeof value !== 'object' || value === null) return plain(value);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) value[index] = fromBson(value[index]);
    return value;
  }
  const fields = fieldsOf(value);
  const text = fields[jsonName];
  if (typeof text === 'string') return JSON.parse(text) as Json;
  let isEscaped = false;
  for (const name of Object.keys(fields)) {
    // An own __proto__ is a field as any other, here too.
    fields[name] = fromBson(fields[name]);
    isEscaped ||= name.includes('%');
  }
  if (!isEscaped) return fields as Record<string, Json>;
  return Object.fromEntries(Object.entries(fields).map(([name, inner]) => [unescapeName(name), inner as Json]));
}

function fieldsOf(value: object): Record<string, unknown> {
  if (Object.getPrototypeOf(value) === Object.prototype) return value as Record<string, unknown>;
  throw new TypeError(`got a ${value.constructor.name}, expected what JSON has`);
}

function asText(value: Json): unknown {
  return { [jsonName]: JSON.stringify(value) };
}

function plain(value: unknown): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return value as Json;
  throw new TypeError(`got ${String(value)}, expected what JSON has`);
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
