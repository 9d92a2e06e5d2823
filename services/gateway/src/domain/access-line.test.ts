// A line of the access log is JSON whatever is in it, and its time is that of its moment.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { emptyTable } from '../testing/tables.ts';
import { tenantRoute } from '../testing/tenant-route.ts';
import { type AccessRecord, accessLine, LineTimes, lineBeginning } from './access-line.ts';
import { EndpointSet, type EndpointState } from './endpoint-set.ts';
import { Exchange } from './exchange.ts';
import { Piece } from './put.ts';
import type { ServedTenant } from './route-table.ts';

function anEndpoint(address: string): EndpointState {
  const set = new EndpointSet();
  set.update([{ address, weight: 1, zone: '' }]);
  return set.endpoints[0] as EndpointState;
}

function aTenant(tenantId: string, upstream: string): ServedTenant {
  const table = emptyTable();
  table.apply({ kind: 'tenant', key: tenantId, version: 1, removed: false, entity: tenantRoute({ tenantId, upstream }) });
  return table.tenant(tenantId) as ServedTenant;
}

const text = fc.string({ unit: 'binary' });

it('says what there is of the exchange, whatever characters are in it', () => {
  fc.assert(
    fc.property(text, text, text, fc.oneof(text, fc.constant('ten_1')), fc.boolean(), (path, detail, upstream, tenantId, isServed) => {
      const head = { method: 'GET', httpVersion: '1.1', field: () => undefined } as const;
      const exchange = Object.assign(new Exchange(Piece.of('f'.repeat(32)), head, { address: '127.0.0.1', scheme: 'http' }, 10), {
        attempts: 1,
        status: isServed ? 200 : 0,
        bytesIn: 1,
        bytesOut: 2,
        ...(isServed && {
          read: { authority: 'acme.test', host: 'acme.test', path, body: { kind: 'none' }, expectsContinue: false },
          tenant: aTenant(tenantId, upstream),
          endpoint: anEndpoint('127.0.0.1:1'),
          firstByteMs: 10.0004,
          traceId: Piece.of('a'.repeat(32)),
        }),
        ...(!isServed && { code: 'bad_request' as const, detail }),
      } satisfies Partial<Exchange>);
      const time = '2026-01-01T00:00:00.000Z';
      const line = accessLine(exchange, { termination: 'completed', time: lineBeginning(time), nowMs: 12.3456, sample: 1 });
      expect(line.endsWith('\n')).toBe(true);
      expect(line.indexOf('\n')).toBe(line.length - 1);
      const expected: AccessRecord = {
        time,
        requestId: 'f'.repeat(32),
        client: '127.0.0.1',
        scheme: 'http',
        method: 'GET',
        host: isServed ? 'acme.test' : '',
        path: isServed ? (path.split('?', 1)[0] ?? '') : '',
        ...(isServed && { tenant: tenantId, upstream, endpoint: '127.0.0.1:1', attempts: 1 }),
        status: isServed ? 200 : 0,
        ...(!isServed && { code: 'bad_request', detail }),
        bytesIn: 1,
        bytesOut: 2,
        ...(isServed && { firstByteMs: 0 }),
        durationMs: 2.346,
        termination: 'completed',
        ...(isServed && { trace: 'a'.repeat(32) }),
      };
      expect(JSON.parse(line)).toEqual(expected);
    }),
  );
});

it('gives each moment its own beginning', () => {
  let now = new Date(0);
  let nowMs = 0;
  const times = new LineTimes({ now: () => now });
  const moment = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(8e12) });
  fc.assert(
    fc.property(moment, fc.nat({ max: 999 }), (date, ms) => {
      now = date;
      nowMs += 1;
      expect(String(times.at(nowMs))).toBe(`{"time":"${date.toISOString()}","requestId":"`);
      now = new Date(Math.floor(date.getTime() / 1_000) * 1_000 + ms);
      nowMs += 1;
      expect(String(times.at(nowMs))).toBe(`{"time":"${now.toISOString()}","requestId":"`);
    }),
  );
});
