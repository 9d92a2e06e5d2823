// The table on disk is always a whole one.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { ManualClock, seededRandom } from '@burgage/runtime';
import { describe, expect, it } from 'vitest';
import type { RouteTable } from '../domain/route-table.ts';
import { silent, temporaryFolder } from '../testing/fixture.ts';
import { routeOf, upstreamOf } from '../testing/registry.ts';
import { hostsOfEach } from '../testing/table-writer.ts';
import { emptyTable, freshNames } from '../testing/tables.ts';
import { createTableFile, loadTable, saveTable } from './table-file.ts';

function tableOf(...hosts: string[]): RouteTable {
  const table = emptyTable();
  for (const entry of [upstreamOf('127.0.0.1:1'), ...hosts.flatMap((host) => routeOf(host))]) table.apply(entry);
  return table;
}

const kills = 8;
/** As long as two saves take. */
const killWithinMs = 150;

const position = { epoch: '1.e', revision: 3, seen: { revision: 5, stamp: 'five' } };

const current = (...hosts: string[]) => {
  const table = tableOf(...hosts);
  return () => ({ table, position });
};

describe('the table file', () => {
  it('that is cut off at any byte is set aside, and the gateway starts without it', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'routes.table');
    await saveTable(file, current('acme.test'), new Date(0));
    const whole = await readFile(file);
    const clock = new ManualClock();
    for (let length = 0; length < whole.length; length++) {
      await writeFile(file, whole.subarray(0, length));
      await clock.advance(1);
      const loaded = await loadTable(file, freshNames(), clock);
      expect(loaded.kind).toBe('set-aside');
      if (loaded.kind === 'set-aside') expect(basename(loaded.movedTo)).toMatch(/^routes\.table\.corrupt-2026-01-01T\d{6}\.\d{3}Z$/);
      expect(await loadTable(file, freshNames(), clock)).toEqual({ kind: 'none' });
    }
    expect(await readdir(folder)).toHaveLength(whole.length);
    await writeFile(file, whole);
    expect(await loadTable(file, freshNames(), clock)).toMatchObject({ kind: 'loaded', position });
  });

  it('is left as it was by a save that was broken off', async () => {
    const file = join(await temporaryFolder(), 'routes.table');
    await saveTable(file, current('acme.test'), new Date(0));
    await writeFile(`${file}.${process.pid}.tmp`, 'half of a');
    const loaded = await loadTable(file, freshNames(), new ManualClock());
    expect(loaded.kind === 'loaded' && loaded.table.find('acme.test')?.kind).toBe('exact');
    await saveTable(file, current('acme.test', 'later.test'), new Date(0));
    const later = await loadTable(file, freshNames(), new ManualClock());
    expect(later.kind === 'loaded' && later.table.hostCount).toBe(2);
  });

  it('is cleared of what ended processes left, and not of what another is writing', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'routes.table');
    const ended = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
    await once(ended, 'exit');
    for (const name of [`routes.table.${ended.pid}.tmp`, `routes.table.${process.ppid}.tmp`, `other.table.${ended.pid}.tmp`])
      await writeFile(join(folder, name), 'half of a');
    const tableFile = createTableFile({ file, current: current('acme.test'), clock: new ManualClock(), logger: silent });
    await tableFile.start();
    await tableFile.stop();
    expect((await readdir(folder)).sort()).toEqual([`other.table.${ended.pid}.tmp`, `routes.table.${process.ppid}.tmp`]);
  });

  it('is written once for many changes, at the latest when the gateway stops', async () => {
    const file = join(await temporaryFolder(), 'routes.table');
    let saves = 0;
    const clock = new ManualClock();
    const counting = {
      now: () => {
        saves += 1;
        return clock.now();
      },
      monotonicMs: () => clock.monotonicMs(),
      sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms, signal),
    };
    const tableFile = createTableFile({ file, current: current('acme.test'), clock: counting, logger: silent });
    await tableFile.start();
    for (let i = 0; i < 100; i++) tableFile.changed();
    await tableFile.stop();
    expect(saves).toBe(1);
    expect((await loadTable(file, freshNames(), new ManualClock())).kind).toBe('loaded');
  });

  it('says at its end how far entries in it may be that came while it was written', async () => {
    const file = join(await temporaryFolder(), 'routes.table');
    const table = tableOf(...Array.from({ length: 2_000 }, (_, index) => `h${index}.test`));
    let at = position;
    const saved = saveTable(file, () => ({ table, position: at }), new Date(0));
    table.apply({ kind: 'host', key: 'h1999.test', version: 2, removed: true });
    at = { epoch: '1.e', revision: 9, seen: { revision: 9, stamp: 'nine' } };
    expect(await saved).toBe(true);
    const loaded = await loadTable(file, freshNames(), new ManualClock());
    expect(loaded).toMatchObject({ kind: 'loaded', position: { epoch: '1.e', revision: 3, seen: { revision: 9, stamp: 'nine' } } });
  });

  it('is not written with a table that another one has taken the place of', async () => {
    const file = join(await temporaryFolder(), 'routes.table');
    await saveTable(file, current('before.test'), new Date(0));
    const [one, other] = [current('one.test'), current('other.test')];
    let served = one;
    const saved = saveTable(file, () => served(), new Date(0));
    served = other;
    expect(await saved).toBe(false);
    const loaded = await loadTable(file, freshNames(), new ManualClock());
    expect(loaded.kind === 'loaded' && loaded.table.find('before.test')?.kind).toBe('exact');
    expect(await saveTable(file, other, new Date(0))).toBe(true);
  });

  it('is the last one that was saved, or the one after it, wherever in a save the process is killed', async () => {
    const file = join(await temporaryFolder(), 'routes.table');
    const program = join(import.meta.dirname, '../testing/table-writer.ts');
    const random = seededRandom(5);
    const held: number[] = [];
    for (let saved = 0, kill = 0; kill < kills; kill++) {
      const writer = spawn(process.execPath, [program, file, String(saved + 1)], { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = once(writer, 'exit');
      let isSaving = false;
      for await (const line of createInterface({ input: writer.stdout })) {
        if (line.startsWith('saved ')) saved = Number(line.slice('saved '.length));
        // The first time soon after it has begun; while it is written, when it is renamed, or in the next.
        else if (!isSaving) {
          isSaving = true;
          setTimeout(() => writer.kill('SIGKILL'), random.float() * killWithinMs);
        }
      }
      await ended;
      const loaded = await loadTable(file, freshNames(), new ManualClock());
      if (saved === 0 && loaded.kind === 'none') continue;
      if (loaded.kind !== 'loaded') throw new Error(`after ${saved} was saved the table is ${loaded.kind}`);
      const { table, position } = loaded;
      expect([saved, saved + 1]).toContain(position.revision);
      expect(table.hostCount).toBe(hostsOfEach);
      expect([...table.entries()].every(({ version }) => version === position.revision)).toBe(true);
      saved = position.revision;
      held.push(saved);
    }
    // It was met in the middle of its work, not before or behind it.
    expect(held.length).toBeGreaterThan(kills / 2);
  }, 120_000);
});
