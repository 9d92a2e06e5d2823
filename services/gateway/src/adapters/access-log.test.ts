// The access log never holds anybody up.
import { readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ManualClock, systemClock } from '@burgage/runtime';
import { describe, expect, it } from 'vitest';
import { silent, temporaryFolder } from '../testing/fixture.ts';
import { type AccessLog, createAccessLog, logFile } from './access-log.ts';

const record = {
  time: '2026-01-01T00:00:00.000Z',
  requestId: 'r',
  client: '127.0.0.1',
  method: 'GET',
  host: 'acme.test',
  path: '/',
  status: 200,
  bytesIn: 0,
  bytesOut: 0,
  durationMs: 1,
  termination: 'completed',
};

function put(log: AccessLog, line: string): void {
  const room = log.room(Buffer.byteLength(line));
  if (room !== undefined) room.length += room.bytes.write(line, room.length);
}

describe('the access log', () => {
  it('appends whole lines to a file that only its owner reads', async () => {
    const file = join(await temporaryFolder(), 'logs', 'access.log');
    for (const path of ['/first', '/second']) {
      const log = createAccessLog({
        sink: logFile(file, { clock: systemClock, logger: silent }),
        clock: systemClock,
        logger: silent,
        onDropped: () => {},
      });
      await log.start();
      for (let i = 0; i < 500; i++) put(log, `${JSON.stringify({ ...record, path })}\n`);
      await log.stop();
    }
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(1_000);
    expect(JSON.parse(lines[999] ?? '')).toEqual({ ...record, path: '/second' });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('drops and counts what finds no room, and keeps the rest', async () => {
    const file = join(await temporaryFolder(), 'access.log');
    let dropped = 0;
    const log = createAccessLog({
      sink: logFile(file, { clock: systemClock, logger: silent }),
      clock: systemClock,
      logger: silent,
      onDropped: (lines) => {
        dropped += lines;
      },
    });
    await log.start();
    const path = `/${'x'.repeat(8_000)}`;
    for (let i = 0; i < 2_000; i++) put(log, `${JSON.stringify({ ...record, requestId: String(i), path })}\n`);
    await log.stop();
    expect(dropped).toBeGreaterThan(0);
    const kept = (await readFile(file, 'utf8')).trim().split('\n');
    expect(kept.map((line) => JSON.parse(line).requestId)).toEqual(Array.from({ length: 2_000 - dropped }, (_, i) => String(i)));
  });

  it('writes pieces when they are full, and what is left of them after half a second: not one line after the other under load', async () => {
    const clock = new ManualClock();
    const written: number[] = [];
    const writes: (() => void)[] = [];
    const sink = {
      open: async () => {},
      close: async () => {},
      append: (bytes: Uint8Array) => {
        written.push(bytes.length);
        return new Promise<void>((resolve) => writes.push(resolve));
      },
    };
    const log = createAccessLog({ sink, clock, logger: silent, onDropped: () => {} });
    await log.start();
    const line = `${'x'.repeat(999)}\n`;
    for (let i = 0; i < 300; i++) put(log, line);
    expect(written).toHaveLength(1);
    expect(written[0]).toBeGreaterThan(200_000);
    for (let i = 0; i < 10; i++) {
      put(log, line);
      writes.shift()?.();
      await clock.advance(1);
    }
    expect(written).toHaveLength(1);
    await clock.advance(500);
    expect(written).toEqual([written[0], 310_000 - (written[0] ?? 0)]);
    writes.shift()?.();
    // What is being written is waited for, and what has come since.
    put(log, line);
    const stopped = log.stop();
    await clock.advance(1);
    expect(written.at(-1)).toBe(1_000);
    writes.shift()?.();
    await stopped;
  });

  it('writes every character as it is, at the edge of a piece too', async () => {
    const file = join(await temporaryFolder(), 'access.log');
    const log = createAccessLog({
      sink: logFile(file, { clock: systemClock, logger: silent }),
      clock: systemClock,
      logger: silent,
      onDropped: () => {},
    });
    await log.start();
    const lines = Array.from({ length: 200 }, (_, i) => `${JSON.stringify({ ...record, path: '/é€😀'.repeat(i * 5) })}\n`);
    for (const line of lines) put(log, line);
    await log.stop();
    expect(await readFile(file, 'utf8')).toBe(lines.join(''));
  });

  it('is not led into another file by a link in its place', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'precious'), 'mine');
    await symlink(join(folder, 'precious'), join(folder, 'access.log'));
    const log = createAccessLog({
      sink: logFile(join(folder, 'access.log'), { clock: systemClock, logger: silent }),
      clock: systemClock,
      logger: silent,
      onDropped: () => {},
    });
    await expect(log.start()).rejects.toMatchObject({ code: 'config_invalid' });
    expect(await readFile(join(folder, 'precious'), 'utf8')).toBe('mine');
  });

  it('goes on in the file that was moved away while it cannot be begun anew, and begins anew once it can', async () => {
    const folder = await temporaryFolder();
    const [file, moved] = [join(folder, 'access.log'), join(folder, 'access.log.1')];
    const clock = new ManualClock();
    const sink = logFile(file, { clock, logger: silent });
    await sink.open();
    await sink.append(Buffer.from('first\n'));
    await rename(file, moved);
    await clock.advance(1_000);
    await symlink(join(folder, 'elsewhere'), file);
    await sink.append(Buffer.from('second\n'));
    await rm(file);
    await clock.advance(1_000);
    await sink.append(Buffer.from('third\n'));
    await sink.close();
    expect(await readFile(moved, 'utf8')).toBe('first\nsecond\n');
    expect(await readFile(file, 'utf8')).toBe('third\n');
    expect((await readdir(folder)).sort()).toEqual(['access.log', 'access.log.1']);
  });
});
