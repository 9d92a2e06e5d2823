import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { RouteEntrySchema, WatchRoutesResponseSchema } from '@burgage/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ReceivedBatch,
  type RouteBatch,
  type RouteEntity,
  type RouteEntry,
  type RoutesHeard,
  routeBatchToBytes,
  routeEntryFromProto,
  routeEntryToProto,
  routesHeardFromBytes,
  type TenantRoute,
} from './index.ts';
import { plainBatch } from './routes-plain.ts';
import { knownWords } from './routes-proto.ts';
import { anyRouteEntry } from './testing/route-arbitraries.ts';

const batch: fc.Arbitrary<RouteBatch> = fc.record({
  entries: fc.array(anyRouteEntry, { maxLength: 5 }),
  revision: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  stamp: fc.string(),
});
/** Any sequence of 16-bit units, halves of surrogates among them. */
const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 10 }).map((codes) => String.fromCharCode(...codes));
const oneHost = { version: 1, removed: false, kind: 'host', key: 'a', entity: { kind: 'host', host: 'a', tenantId: 't' } } as const;

const tenant = {
  kind: 'tenant',
  tenantId: 'ten_1',
  slug: 'one',
  plan: 'trial',
  state: 'active',
  holds: [],
  features: [],
  upstream: 'desk',
  isolation: 'pool',
  entitlementVersion: 1,
  branding: { name: 'One', color: '' },
  platform: false,
  moving: false,
} satisfies RouteEntity;

function tenantWith(change: Partial<TenantRoute>): RouteEntry {
  return { version: 1, removed: false, kind: 'tenant', key: 'ten_1', entity: { ...tenant, ...change } };
}

function upstreamWith(weight: number): RouteEntry {
  const entity = { kind: 'upstream', name: 'desk', endpoints: [{ address: '127.0.0.1:80', weight, zone: '' }] } as const;
  return { version: 1, removed: false, kind: 'upstream', key: 'desk', entity };
}

function generated(message: NonNullable<MessageInitShape<typeof WatchRoutesResponseSchema>['message']>): Uint8Array {
  return toBinary(WatchRoutesResponseSchema, create(WatchRoutesResponseSchema, { message }));
}

function generatedBatch({ entries, revision, stamp }: RouteBatch): Uint8Array {
  return generated({ case: 'batch', value: { entries: entries.map(routeEntryToProto), revision: BigInt(revision), stamp } });
}

/** What the generated code reads in the bytes; 'refused' where it reads nothing. */
function readByGenerated(bytes: Uint8Array): unknown {
  try {
    const { message } = fromBinary(WatchRoutesResponseSchema, bytes);
    if (message.case !== 'batch') return message;
    const { revision, stamp } = message.value;
    const entries: RouteEntry[] = [];
    const unreadable: unknown[] = [];
    for (const entry of message.value.entries) {
      try {
        entries.push(routeEntryFromProto(entry));
      } catch (error) {
        unreadable.push(error);
      }
    }
    return { case: 'batch', value: { entries, revision: Number(revision), stamp, unreadable } };
  } catch {
    return 'refused';
  }
}

function readByUs(bytes: Uint8Array): unknown {
  try {
    return routesHeardFromBytes(bytes);
  } catch {
    return 'refused';
  }
}

function batchIn(heard: RoutesHeard): ReceivedBatch {
  if (heard.case !== 'batch') throw new Error(`got ${heard.case}, expected a batch`);
  return heard.value;
}

/** A WatchRoutesResponse with a batch of one entry, its contents written by hand. */
function handWritten(write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter().tag(2, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).fork();
  write(writer);
  return writer.join().join().finish();
}

const sub = (writer: BinaryWriter, field: number, write: (writer: BinaryWriter) => void): BinaryWriter => {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  return writer.join();
};
const text = (writer: BinaryWriter, field: number, value: string) => writer.tag(field, WireType.LengthDelimited).string(value);
const number = (writer: BinaryWriter, field: number, value: number) => writer.tag(field, WireType.Varint).uint32(value);

describe('a batch of route entries', () => {
  test('has the bytes of its message', () => {
    fc.assert(
      fc.property(batch, (sent) => {
        expect(Buffer.from(routeBatchToBytes(sent))).toEqual(Buffer.from(generatedBatch(sent)));
      }),
    );
  });

  test('has the bytes of its message whatever is in its texts, and is read from them as that is', () => {
    fc.assert(
      fc.property(units, units, units, units, (tenantId, name, feature, stamp) => {
        const branding = { name, color: '' };
        const entity = { ...tenant, tenantId: `t${tenantId}`, branding, features: [feature] };
        const sent: RouteBatch = {
          entries: [{ version: 1, removed: false, kind: 'tenant', key: entity.tenantId, entity }],
          revision: 1,
          stamp,
        };
        const bytes = routeBatchToBytes(sent);
        expect(Buffer.from(bytes)).toEqual(Buffer.from(generatedBatch(sent)));
        expect(readByUs(bytes)).toEqual(readByGenerated(bytes));
      }),
    );
  });

  test('is read from its bytes as it was, the plain way', () => {
    fc.assert(
      fc.property(batch, (sent) => {
        expect(plainBatch(routeBatchToBytes(sent), knownWords)).toEqual(sent);
        expect(routesHeardFromBytes(generatedBatch(sent))).toEqual({ case: 'batch', value: { ...sent, unreadable: [] } });
      }),
    );
  });

  test('of which bytes are changed, taken out or put in is refused where the generated code refuses it, and else read as the same', () => {
    const change = fc.record({ place: fc.nat(), taken: fc.nat({ max: 2 }), put: fc.array(fc.nat({ max: 255 }), { maxLength: 2 }) });
    fc.assert(
      fc.property(batch, fc.array(change, { minLength: 1, maxLength: 3 }), (sent, changes) => {
        const bytes = [...routeBatchToBytes(sent)];
        for (const { place, taken, put } of changes) bytes.splice(place % bytes.length, taken, ...put);
        const damaged = Uint8Array.from(bytes);
        expect(readByUs(damaged)).toEqual(readByGenerated(damaged));
      }),
      { numRuns: 3_000 },
    );
  });

  test('that is cut off is refused where the generated code refuses it, and else read as the same', () => {
    const bytes = routeBatchToBytes({ entries: [oneHost, oneHost], revision: 9, stamp: 'x' });
    for (let length = 0; length < bytes.length; length++) {
      expect(readByUs(bytes.subarray(0, length))).toEqual(readByGenerated(bytes.subarray(0, length)));
    }
  });

  const host = (writer: BinaryWriter) => text(text(writer, 1, 'a.test'), 2, 'ten_1');
  const tenantFields = (writer: BinaryWriter) => text(text(writer, 1, 'ten_1'), 4, 'active');
  const limits = (field: number, value: number) => (writer: BinaryWriter) => number(writer, field, value);
  test.for<[what: string, bytes: Uint8Array]>([
    [
      'a host twice',
      handWritten((w) =>
        sub(
          sub(w, 3, (h) => text(h, 1, 'a.test')),
          3,
          (h) => text(h, 2, 'ten_1'),
        ),
      ),
    ],
    ['a host, then an upstream', handWritten((w) => sub(sub(w, 3, host), 5, (u) => text(u, 1, 'desk')))],
    ['a version twice', handWritten((w) => sub(number(number(w, 1, 5), 1, 6), 3, host))],
    ['a version last', handWritten((w) => number(sub(w, 3, host), 1, 6))],
    ['a key twice', handWritten((w) => sub(w, 3, (h) => text(host(h), 1, 'b.test')))],
    ['limits twice', handWritten((w) => sub(w, 4, (t) => sub(sub(tenantFields(t), 6, limits(1, 7)), 6, limits(2, 8))))],
    [
      'branding twice',
      handWritten((w) =>
        sub(w, 4, (t) =>
          sub(
            sub(tenantFields(t), 11, (b) => text(b, 1, 'A')),
            11,
            (b) => text(b, 2, '#fff'),
          ),
        ),
      ),
    ],
    ['features apart', handWritten((w) => sub(w, 4, (t) => text(text(text(tenantFields(t), 7, 'a'), 8, 'desk'), 7, 'b')))],
    ['a zero in place', handWritten((w) => sub(number(w, 1, 0), 3, host))],
    [
      'a later field',
      handWritten((w) =>
        text(
          sub(number(w, 1_900, 7), 3, (h) => text(host(h), 1_901, 'x')),
          15,
          'y',
        ),
      ),
    ],
    ['a group', handWritten((w) => sub(w.tag(9, WireType.StartGroup).tag(9, WireType.EndGroup), 3, host))],
    ['a version as text', handWritten((w) => sub(text(w, 1, 'x'), 3, host))],
    ['a tag in too many bytes', handWritten((w) => sub(w.raw(Uint8Array.of(0x88, 0x80, 0x80, 0x80, 0x80, 0, 1)), 3, host))],
    ['a removed tenant with more than a key', handWritten((w) => sub(number(w, 2, 1), 4, tenantFields))],
    [
      'two batches',
      Buffer.concat([
        generatedBatch({ entries: [oneHost], revision: 0, stamp: 'a' }),
        generatedBatch({ entries: [oneHost], revision: 4, stamp: '' }),
      ]),
    ],
    [
      'a batch, then a head',
      Buffer.concat([generatedBatch({ entries: [oneHost], revision: 0, stamp: '' }), generated({ case: 'head', value: { revision: 1n } })]),
    ],
    ['a revision beyond what a number holds', generated({ case: 'batch', value: { revision: 2n ** 63n + 1n } })],
    ['nothing in it', generated({ case: 'batch', value: {} })],
  ])('is read as the generated code does: %s', ([, bytes]) => {
    expect(readByUs(bytes)).toEqual(readByGenerated(bytes));
  });

  test('merges what comes twice', () => {
    const bytes = handWritten((w) => sub(w, 4, (t) => sub(sub(tenantFields(t), 6, limits(1, 7)), 6, limits(2, 8))));
    const [entry] = batchIn(routesHeardFromBytes(bytes)).entries;
    expect(entry?.entity).toMatchObject({ limits: { requestsPerSecond: 7, concurrency: 8 } });
  });

  test.for<[what: string, entry: MessageInitShape<typeof RouteEntrySchema>]>([
    ['no entity', {}],
    ['no key', { entity: { case: 'host', value: {} } }],
    ['a state', { entity: { case: 'tenant', value: { tenantId: 't', state: 'lost' } } }],
    ['a hold', { entity: { case: 'tenant', value: { tenantId: 't', state: 'active', holds: ['late'] } } }],
    ['an isolation', { entity: { case: 'tenant', value: { tenantId: 't', state: 'active', isolation: 'cloud' } } }],
    ['a version', { version: 2n ** 53n, entity: { case: 'host', value: { host: 'a', tenantId: 't' } } }],
    [
      'a number of bytes',
      { entity: { case: 'tenant', value: { tenantId: 't', state: 'active', limits: { bodyBytesMax: 2n ** 64n - 1n } } } },
    ],
  ])('keeps the entries beside one that cannot be read: %s', ([, init]) => {
    let refusal: unknown;
    try {
      routeEntryFromProto(create(RouteEntrySchema, init));
    } catch (error) {
      refusal = error;
    }
    const entries = [routeEntryToProto(oneHost), create(RouteEntrySchema, init), routeEntryToProto(oneHost)];
    const received = batchIn(routesHeardFromBytes(generated({ case: 'batch', value: { entries } })));
    expect(received.entries).toEqual([oneHost, oneHost]);
    expect(received.unreadable).toMatchObject([{ message: (refusal as Error).message, code: 'invalid_argument' }]);
  });

  test('is told from a message that says something else', () => {
    for (const said of [
      { case: 'head', value: { epoch: 'e', revision: 3n } },
      { case: 'snapshotBegin', value: { epoch: 'e', revision: 3n } },
      { case: 'snapshotEnd', value: { revision: 3n, entries: 4n, seenRevision: 5n, stamp: 'abc' } },
    ] as const) {
      expect(routesHeardFromBytes(generated(said))).toMatchObject(said);
    }
    expect(routesHeardFromBytes(new Uint8Array())).toEqual({ case: undefined });
  });

  test.for<[field: string, entry: RouteEntry]>([
    ['version', { ...oneHost, version: -1 }],
    ['version', { ...oneHost, version: 1.5 }],
    ['version', { ...oneHost, version: 2 ** 64 }],
    ['tenant.entitlement_version', tenantWith({ entitlementVersion: Number.NaN })],
    ['tenant.limits.requests_per_second', tenantWith({ limits: { requestsPerSecond: 2 ** 32, concurrency: 1, bodyBytesMax: 1 } })],
    ['tenant.limits.concurrency', tenantWith({ limits: { requestsPerSecond: 1, concurrency: -1, bodyBytesMax: 1 } })],
    ['tenant.limits.body_bytes_max', tenantWith({ limits: { requestsPerSecond: 1, concurrency: 1, bodyBytesMax: -1 } })],
    ['upstream.endpoints.weight', upstreamWith(2 ** 32)],
    ['upstream.endpoints.weight', upstreamWith(0.5)],
  ])('with a number that does not fit %s is refused', ([field, entry]) => {
    let thrown: unknown;
    try {
      routeBatchToBytes({ entries: [entry], revision: 0, stamp: '' });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'invalid_argument', fields: [{ field }] });
  });

  test('with an entry that does not carry its own entity is a bug and not sent', () => {
    const entries = [{ ...oneHost, key: 'b' }];
    expect(() => routeBatchToBytes({ entries, revision: 0, stamp: '' })).toThrow(TypeError);
  });
});
