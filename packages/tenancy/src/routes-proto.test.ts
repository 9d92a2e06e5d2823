import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { RouteEntrySchema } from '@burgage/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type RouteEntry, routeEntryFromProto, routeEntryToProto } from './index.ts';
import { anyRouteEntry } from './testing/route-arbitraries.ts';

function fromInit(init: MessageInitShape<typeof RouteEntrySchema>): RouteEntry {
  return routeEntryFromProto(create(RouteEntrySchema, init));
}

describe('route entries', () => {
  test('come back from the wire as they went', () => {
    fc.assert(
      fc.property(anyRouteEntry, (sent) => {
        const bytes = toBinary(RouteEntrySchema, routeEntryToProto(sent));
        expect(routeEntryFromProto(fromBinary(RouteEntrySchema, bytes))).toEqual(sent);
      }),
    );
  });

  test('a removed entry carries its key alone', () => {
    const message = routeEntryToProto({ version: 7, removed: true, kind: 'tenant', key: 'ten_1' });
    expect(message.entity).toMatchObject({ case: 'tenant', value: { tenantId: 'ten_1', slug: '', state: '' } });
    expect(routeEntryFromProto(message)).toEqual({ version: 7, removed: true, kind: 'tenant', key: 'ten_1' });
  });

  test('an endpoint without weight has weight 1', () => {
    const entry = fromInit({ entity: { case: 'upstream', value: { name: 'desk', endpoints: [{ address: '127.0.0.1:80' }] } } });
    expect(entry.entity).toMatchObject({ endpoints: [{ weight: 1 }] });
  });

  test.for<[string, MessageInitShape<typeof RouteEntrySchema>]>([
    ['entity: is missing, expected a host', {}],
    ['host: got an empty key', { entity: { case: 'host', value: {} } }],
    ['tenant.state: got "lost", expected one of requested', { entity: { case: 'tenant', value: { tenantId: 't', state: 'lost' } } }],
    [
      'tenant.holds: got "late", expected one of operator',
      { entity: { case: 'tenant', value: { tenantId: 't', state: 'active', holds: ['late'] } } },
    ],
    [
      'tenant.isolation: got "cloud", expected one of pool',
      { entity: { case: 'tenant', value: { tenantId: 't', state: 'active', isolation: 'cloud' } } },
    ],
    [
      'version: got 9007199254740992, expected at most',
      { version: 2n ** 53n, entity: { case: 'host', value: { host: 'a', tenantId: 't' } } },
    ],
    [
      'tenant.limits.body_bytes_max: got 18446744073709551615',
      { entity: { case: 'tenant', value: { tenantId: 't', state: 'active', limits: { bodyBytesMax: 2n ** 64n - 1n } } } },
    ],
  ])('a message that means nothing here is refused: %s', ([message, init]) => {
    expect(() => fromInit(init)).toThrow(message);
    expect(() => fromInit(init)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });

  test('an entry that does not carry its own entity is a bug and not sent', () => {
    expect(() => routeEntryToProto({ version: 1, removed: false, kind: 'host', key: 'a' })).toThrow(TypeError);
    expect(() =>
      routeEntryToProto({ version: 1, removed: false, kind: 'host', key: 'a', entity: { kind: 'host', host: 'b', tenantId: 't' } }),
    ).toThrow(TypeError);
  });
});
