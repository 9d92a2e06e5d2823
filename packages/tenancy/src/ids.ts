// Ids of tenants and operations, written in Crockford's base 32.
import { createHash } from 'node:crypto';
import { invalidField } from '@burgage/contracts';
import { got } from './got.ts';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const idLength = 26;
const tenantIdPattern = /^ten_[0-9A-HJKMNP-TV-Z]{26}$/;

/** The first `length` characters of `bytes` read as a base-32 number, five bits a character, most significant first. */
export function crockford(bytes: Uint8Array, length: number): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5 && text.length < length) {
      bits -= 5;
      text += alphabet.charAt((held >> bits) & 31);
    }
  }
  if (text.length < length) throw new RangeError(`${length} characters need ${Math.ceil((length * 5) / 8)} bytes, not ${bytes.length}`);
  return text;
}

/** `length` characters that depend on `text` alone: the beginning of its SHA-256. */
export function digestOf(text: string, length: number): string {
  return crockford(createHash('sha256').update(text, 'utf8').digest(), length);
}

/**
 * The id of the tenant that is created under an idempotency key: `ten_` and 26 characters (130 bits of the key's
 * SHA-256). The same key gives the same id in every process, so that creating twice finds the first.
 */
export function tenantIdFromKey(idempotencyKey: string): string {
  return `ten_${digestOf(idempotencyKey, idLength)}`;
}

/** True for an id as `tenantIdFromKey` makes them. Ids in a route file of a gateway that runs alone may be others. */
export function isTenantId(text: string): boolean {
  return tenantIdPattern.test(text);
}

/**
 * The id of the one operation of `kind` that a tenant has: `op_provision_` and the 26 characters of the tenant's id.
 * @throws BurgageError `invalid_argument` where `tenantId` is not an id as `tenantIdFromKey` makes them.
 */
export function operationIdFor(kind: 'provision', tenantId: string): string {
  if (!isTenantId(tenantId)) throw invalidField('tenant_id', `${got(tenantId)}, expected "ten_" and 26 characters of base 32`);
  return `op_${kind}_${tenantId.slice('ten_'.length)}`;
}

/**
 * The id of the operation of `kind` that is asked for on a tenant under an idempotency key: `op_move_` and 26 characters.
 * The same key gives the same id in every process.
 */
export function operationIdFromKey(kind: string, tenantId: string, idempotencyKey: string): string {
  return `op_${kind}_${digestOf(JSON.stringify([kind, tenantId, idempotencyKey]), idLength)}`;
}

/**
 * A ULID (https://github.com/ulid/spec): 10 characters of milliseconds since 1970, 16 of randomness. Two made in the
 * same millisecond are in no order.
 */
export function ulid(clock: { now(): Date }, random: { bytes(count: number): Uint8Array }): string {
  let time = clock.now().getTime();
  let text = '';
  for (let i = 0; i < 10; i++) {
    text = alphabet.charAt(time % 32) + text;
    time = Math.floor(time / 32);
  }
  return text + crockford(random.bytes(10), 16);
}
