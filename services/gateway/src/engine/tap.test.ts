// The tap keeps nothing for nobody, and only so much for who does not read.
import { ManualClock } from '@burgage/runtime';
import { expect, it } from 'vitest';
import { Exchange } from '../domain/exchange.ts';
import { Piece } from '../domain/put.ts';
import { Tap } from './tap.ts';

const head = { method: 'GET', httpVersion: '1.1', field: () => undefined } as const;
const exchange = new Exchange(Piece.of('f'.repeat(32)), head, { address: '127.0.0.1', scheme: 'http' }, 0);

it('drops what a listener does not take, counts it, and tells it', async () => {
  const tap = new Tap(new ManualClock());
  const leaving = new AbortController();
  const texts = tap.listen({}, leaving.signal);
  expect(tap.isOpen).toBe(true);
  await texts.next();
  for (let request = 0; request < 1_500; request++) tap.show(exchange, () => `${request}\n`);
  const { value } = await texts.next();
  const lines = `${value}`.trimEnd().split('\n');
  expect(lines).toHaveLength(1_001);
  expect(lines[999]).toBe('999');
  expect(JSON.parse(lines[1_000] ?? '')).toEqual({ dropped: 500 });
  tap.show(exchange, () => 'again\n');
  expect((await texts.next()).value).toBe('again\n');
  await texts.return();
  expect(tap.isOpen).toBe(false);
});

it('says in silence that it lives, and ends when the listener leaves', async () => {
  const clock = new ManualClock();
  const tap = new Tap(clock);
  const leaving = new AbortController();
  const texts = tap.listen({}, leaving.signal);
  await texts.next();
  const next = texts.next();
  await clock.advance(10_000);
  expect((await next).value).toBe('\n');
  const last = texts.next();
  leaving.abort();
  await last;
  expect((await texts.next()).done).toBe(true);
  expect(tap.isOpen).toBe(false);
});
