import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lastComplaint } from './complaint.ts';

test('what a process complained of last is found in its log, and not what an earlier one did', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'burgage-complaint-'));
  context.onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'log');
  const line = (level: string, second: number, more: object) =>
    `${JSON.stringify({ level, time: `2026-01-01T00:00:0${second}Z`, ...more })}\n`;
  const at = (second: number) => Date.parse(`2026-01-01T00:00:0${second}Z`);
  expect(lastComplaint(file, 0)).toBe('');
  writeFileSync(
    file,
    [
      `${'x'.repeat(100_000)}\n`,
      line('error', 1, { msg: 'old' }),
      line('warn', 3, { msg: 'cannot be opened', err: { message: 'No NATS server answers at 127.0.0.1:1.' } }),
      line('info', 4, { msg: 'still here' }),
      'no JSON\n"text"\n{"level":"err',
    ].join(''),
  );
  expect(lastComplaint(file, at(2))).toBe('No NATS server answers at 127.0.0.1:1.');
  expect(lastComplaint(file, at(4))).toBe('');
  writeFileSync(file, line('error', 5, { msg: 'plain' }), { flag: 'a' });
  expect(lastComplaint(file, at(2))).toBe('No NATS server answers at 127.0.0.1:1.');
  writeFileSync(file, `\n${line('error', 6, { msg: 'plain' })}`, { flag: 'a' });
  expect(lastComplaint(file, at(2))).toBe('plain');
});
