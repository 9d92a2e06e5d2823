// Server-sent events come out the same, wherever the network cut the bytes.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readEvents, type ServerEvent } from './events.ts';

async function read(chunks: readonly Uint8Array[]): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  async function* body() {
    yield* chunks;
  }
  for await (const event of readEvents(body())) events.push(event);
  return events;
}

const bytes = (text: string) => new TextEncoder().encode(text);

test('events have their name, id and data; comments and retries are none; what was cut off is not given out', async () => {
  const text = 'retry: 1000\n\n: heartbeat\n\nid: 1\nevent: progress\ndata: {"a":1}\n\ndata: x\ndata: y\n\nid: 3\nevent: end\ndata: cut';
  expect(await read([bytes(text)])).toEqual([
    { event: 'progress', id: '1', data: '{"a":1}' },
    { event: 'message', id: '1', data: 'x\ny' },
  ]);
});

test('it does not matter where the bytes are cut, nor how lines end', async () => {
  const expected = [
    { event: 'progress', id: '1', data: 'Größe 株' },
    { event: 'end', id: '2', data: 'a\nb' },
  ];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('\n', '\r\n', '\r'), fc.array(fc.nat(80), { maxLength: 8 }), async (ending, cuts) => {
      const all = bytes(
        `${['id: 1', 'event: progress', 'data: Größe 株', '', ': beat', '', 'id:2', 'event:end', 'data:a', 'data: b', '', ''].join(ending)}${ending}`,
      );
      const places = [0, ...cuts.filter((cut) => cut < all.length).toSorted((a, b) => a - b), all.length];
      const chunks = places.slice(1).map((end, i) => all.subarray(places[i], end));
      expect(await read(chunks)).toEqual(expected);
    }),
    { numRuns: 200 },
  );
});

test('a line without end is refused instead of filling the memory', async () => {
  await expect(read([bytes('data: '), bytes('x'.repeat(1_100_000))])).rejects.toThrow('too long');
});
