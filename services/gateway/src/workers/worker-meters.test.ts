// What a worker counts reaches the main thread, however long a request takes.
import { expect, it } from 'vitest';
import { LimitCells } from '../domain/limit-cells.ts';
import { RequestSeries } from '../domain/request-series.ts';
import { readReport, WorkerMeters } from './worker-meters.ts';

const bounds = [1];

function started(): WorkerMeters {
  const idOf = (number: number) => `ten_${number}`;
  const cells = new LimitCells(2);
  cells.grow(4);
  return new WorkerMeters({ cells, worker: 1, numberOf: (id) => Number(id.slice('ten_'.length)), idOf, bounds });
}

it('counts a request and a tunnel that take longer than a tenant without requests is remembered', () => {
  const meters = started();
  for (const place of ['request', 'tunnel']) {
    const meter = meters.count({ number: 3, tenantId: 'ten_3' });
    if (place === 'request') meter.use.enter(0);
    else meter.use.openTunnel(1);
    for (let report = 0; report < 50; report++) meters.report(0);
    if (place === 'request') meter.use.leave();
    else meter.use.closeTunnel();
    meter.series.count(200);
    meter.bytes += 7;
    const [counted] = [...readReport(meters.report(0), new RequestSeries(bounds).size)];
    expect(counted).toMatchObject({ number: 3, bytes: 7 });
  }
});

it('forgets who has nothing in flight and is not heard of', () => {
  const meters = started();
  const tenant = { number: 3, tenantId: 'ten_3' };
  meters.count(tenant);
  for (let report = 0; report < 50; report++) meters.report(0);
  expect(meters.get(tenant)).toBeUndefined();
});
