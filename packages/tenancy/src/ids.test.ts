import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crockford } from './ids.ts';
import { isTenantId, operationIdFor, tenantIdFromKey, ulid } from './index.ts';

const base32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The number that `text` writes in Crockford's base 32. */
function numberOf(text: string): bigint {
  return [...text].reduce((sum, character) => sum * 32n + BigInt(base32.indexOf(character)), 0n);
}

describe('tenant ids', () => {
  test('the id of a key never changes from release to release', () => {
    expect(tenantIdFromKey('x')).toBe('ten_5NRHCGNQ4TR480B2FJMZQB1JYQ');
  });

  test('an id is the first 130 bits of the SHA-256 of the key, and a tenant id', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (key) => {
        const id = tenantIdFromKey(key);
        const digest = BigInt(`0x${createHash('sha256').update(key).digest('hex')}`);
        expect(isTenantId(id)).toBe(true);
        expect(numberOf(id.slice(4))).toBe(digest >> 126n);
      }),
    );
  });

  test('what is not made by tenantIdFromKey is no tenant id', () => {
    const id = tenantIdFromKey('key');
    for (const text of [
      '',
      'ten_',
      id.toLowerCase(),
      `${id}0`,
      id.slice(0, -1),
      ` ${id}`,
      `${id}\n`,
      id.replace('ten_', 'op_'),
      `ten_${'U'.repeat(26)}`,
    ]) {
      expect(isTenantId(text), text).toBe(false);
    }
  });
});

describe('operation ids', () => {
  test("the id of the provision operation carries the tenant's 26 characters", () => {
    const id = tenantIdFromKey('key');
    expect(operationIdFor('provision', id)).toBe(`op_provision_${id.slice(4)}`);
  });

  test('an operation of something that is no tenant is refused by name', () => {
    expect(() => operationIdFor('provision', 'ten_1')).toThrow('tenant_id: got "ten_1", expected "ten_" and 26 characters');
  });
});

describe('ulid', () => {
  test('is the time in milliseconds and then the randomness, as the specification has it', () => {
    const time = fc.integer({ min: 0, max: 2 ** 47 });
    fc.assert(
      fc.property(time, fc.uint8Array({ minLength: 10, maxLength: 10 }), (timeMs, randomness) => {
        const id = ulid({ now: () => ({ getTime: () => timeMs }) as Date }, { bytes: () => randomness });
        expect(id).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
        expect(numberOf(id.slice(0, 10))).toBe(BigInt(timeMs));
        expect(numberOf(id.slice(10))).toBe(BigInt(`0x${Buffer.from(randomness).toString('hex')}`));
      }),
    );
  });

  test('a later one sorts behind an earlier one', () => {
    const random = { bytes: (count: number) => new Uint8Array(count).fill(255) };
    const ids = [0, 1, 31, 32, 1_700_000_000_000, 1_700_000_000_001].map((timeMs) => ulid({ now: () => new Date(timeMs) }, random));
    expect(ids.toSorted()).toEqual(ids);
  });
});

test('base 32 asks for enough bytes instead of inventing characters', () => {
  expect(() => crockford(new Uint8Array(9), 16)).toThrow('16 characters need 10 bytes, not 9');
});
