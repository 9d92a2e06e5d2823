// The table on disk is always a whole one.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ManualClock } from '@burgage/runtime';
import { describe, expect, it } from 'vitest';
import { RouteTable } from '../domain/route-table.ts';
import { silent, temporaryFolder } from '../testing/fixture.ts';
import { routeOf, upstreamOf } from '../testing/registry.ts';
import { createTableFile, loadTable, saveTable } from './table-file.ts';

function tableOf(...hosts: string[]): RouteTable {
  const table = new RouteTable();
  for (const entry of [upstreamOf('127.0.0.1:1'), ...hosts.flatMap((host) => routeOf(host))]) table.apply(entry);
  return table;
}

const position = { epoch: 'e1', revision: 3 };

describe('the table file', () => {
  it('that is cut off at any byte is set aside, and the gateway starts without it', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'routes.table');
    await saveTable(file, tableOf('acme.test'), position, new Date(0));
    const whole = await readFile(file);
    const clock = new ManualClock();
    for (let length = 0; length < whole.length; length++) {
      await writeFile(file, whole.subarray(0, length));
      await clock.advance(1);
      const loaded = await loadTable(file, clock);
      expect(loaded.kind).toBe('set-aside');
      if (loaded.kind === 'set-aside') expect(basename(loaded.movedTo)).toMatch(/^routes\.table\.corrupt-2026-01-01T\d{6}\.\d{3}Z$/);
      expect(await loadTable(file, clock)).toEqual({ kind: 'none' });
    }
    expect(await readdir(folder)).toHaveLength(whole.length);
    await writeFile(file, whole);
    expect(await loadTable(file, clock)).toMatchObject({ kind: 'loaded', heading: { epoch: 'e1', revision: 3 } });
  });

  it('is left as it was by a save that was broken off', async () => {
    const file = join(await temporaryFolder(), 'routes.table');
    await saveTable(file, tableOf('acme.test'), position, new Date(0));
    await writeFile(`${file}.tmp`, 'half of a');
    const loaded = await loadTable(file, new ManualClock());
    expect(loaded.kind === 'loaded' && loaded.table.hasHost('acme.test')).toBe(true);
    await saveTable(file, tableOf('acme.test', 'later.test'), position, new Date(0));
    const later = await loadTable(file, new ManualClock());
    expect(later.kind === 'loaded' && later.table.hostCount).toBe(2);
  });

  it('is written once for many changes, at the latest when the gateway stops', async () => {
    const file = join(await temporaryFolder(), 'routes.table');
    let saves = 0;
    const table = tableOf('acme.test');
    const current = () => {
      saves += 1;
      return { table, position };
    };
    const tableFile = createTableFile({ file, current, clock: new ManualClock(), logger: silent });
    await tableFile.start();
    for (let i = 0; i < 100; i++) tableFile.changed();
    await tableFile.stop();
    expect(saves).toBe(1);
    expect((await loadTable(file, new ManualClock())).kind).toBe('loaded');
  });
});
