// Conformance: what becomes of an event whose handler fails.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventFromOutbox, outboxEvent } from '../outbox.ts';
import type { Event } from '../port.ts';
import { handling } from '../reading.ts';
import { type EventsEngine, eventOf, eventually, quick, useBench } from './engine.ts';

const made = 'burgage.test.thing.made';

export function failureConformance(engine: EventsEngine): void {
  const bench = useBench(engine);

  test('a failed event is delivered again, attempts counted, until it is handled', async () => {
    const events = await bench.open();
    const attempts: number[] = [];
    await events.subscribe(
      quick('readers', async (_event, { attempt }) => {
        attempts.push(attempt);
        if (attempt < 4) throw new Error('not yet');
      }),
    );
    await events.publish(eventOf(made));
    await eventually(() => expect(attempts).toEqual([1, 2, 3, 4]));
    expect(await events.deadLetters(10)).toEqual([]);
  });

  test('a handler that throws before its first await fails like any other', async () => {
    const events = await bench.open();
    let attempts = 0;
    await events.subscribe(
      quick('readers', () => {
        attempts += 1;
        if (attempts === 1) throw new Error('at once');
        return Promise.resolve();
      }),
    );
    await events.publish(eventOf(made));
    await eventually(() => expect(attempts).toBe(2));
  });

  test('after attemptsMax an event is a dead letter that says why', async () => {
    const events = await bench.open();
    let attempts = 0;
    await events.subscribe(
      quick(
        'readers',
        async () => {
          attempts += 1;
          throw new Error(`broken\nat attempt ${attempts}`);
        },
        { attemptsMax: 3 },
      ),
    );
    const event = eventOf(made);
    await events.publish(event);
    await eventually(async () => expect(await events.deadLetters(10)).toHaveLength(1));
    const [letter] = await events.deadLetters(10);
    expect(letter).toMatchObject({ consumer: 'readers', event, attempts: 3, reason: 'broken at attempt 3' });
    expect(new Date(letter?.time ?? '').toISOString()).toBe(letter?.time);
    expect(attempts).toBe(3);
  });

  test('an event that is not known is a dead letter at once, and those behind it go on', async () => {
    const events = await bench.open();
    const subject = 'burgage.registry.tenant.requested';
    const got: [string, number][] = [];
    const { subjects, handler } = handling({
      [subject]: async ({ tenantId }, _event, { attempt }) => void got.push([tenantId, attempt]),
    });
    await events.subscribe(quick('readers', handler, { subjects: [...subjects, 'burgage.registry.tenant.vanished'], concurrency: 1 }));
    const known = (tenantId: string, overrides: Partial<Event> = {}): Event => {
      const { payload } = outboxEvent(subject, tenantId, { tenantId });
      return { ...eventFromOutbox(payload), ...overrides };
    };
    await events.publish(eventOf('burgage.registry.tenant.vanished', { id: 'subject' }));
    await events.publish(known('ten_1', { id: 'version', schema: 'burgage.events.v9.TenantRequested' }));
    await events.publish(known('ten_2', { id: 'bytes', data: new Uint8Array([0xff, 0xff]) }));
    await events.publish(known('ten_3'));
    const { schema: _, ...old } = known('ten_4');
    await events.publish(old);
    await eventually(async () => {
      expect(got.toSorted()).toEqual([
        ['ten_3', 1],
        ['ten_4', 1],
      ]);
      expect(await events.deadLetters(10)).toHaveLength(3);
    });
    const reasons = new Map((await events.deadLetters(10)).map(({ event, attempts, reason }) => [event.id, { attempts, reason }]));
    const reason = (text: string) => ({ attempts: 1, reason: expect.stringMatching(new RegExp(`^event_unknown: ${text}`)) });
    expect(reasons.get('subject')).toEqual(reason('subject: got "burgage.registry.tenant.vanished"'));
    expect(reasons.get('version')).toEqual(reason('schema: got "burgage.events.v9.TenantRequested", expected burgage.events.v1.TenantReq'));
    expect(reasons.get('bytes')).toEqual(reason('data: got "2 bytes that cannot be read"'));
  });

  test('a dead letter that is replayed goes to its consumer alone, attempts counted from 1', async () => {
    const events = await bench.open();
    let healthy = false;
    const seen: number[] = [];
    const others: string[] = [];
    await events.subscribe(
      quick(
        'sick',
        async (_event, { attempt }) => {
          seen.push(attempt);
          if (!healthy) throw new Error('sick');
        },
        { attemptsMax: 2 },
      ),
    );
    await events.subscribe(quick('well', async (event) => void others.push(event.id)));
    await events.publish(eventOf(made));
    await eventually(async () => expect(await events.deadLetters(10)).toHaveLength(1));
    healthy = true;
    const [letter] = await events.deadLetters(10);
    await events.replay(letter?.id ?? '');
    await eventually(() => expect(seen).toEqual([1, 2, 1]));
    expect(await events.deadLetters(10)).toEqual([]);
    await expect(events.replay(letter?.id ?? '')).rejects.toMatchObject({ code: 'not_found' });
    expect(others).toHaveLength(1);
  });

  test('a replayed event that fails again is a dead letter again', async () => {
    const events = await bench.open();
    const fail = async (): Promise<never> => {
      throw new Error('broken');
    };
    await events.subscribe(quick('readers', fail, { attemptsMax: 1 }));
    const event = eventOf(made);
    await events.publish(event);
    for (let round = 0; round < 5; round += 1) {
      await eventually(async () => expect(await events.deadLetters(10)).toMatchObject([{ event, attempts: 1 }]));
      const [letter] = await events.deadLetters(10);
      await events.replay(letter?.id ?? '');
    }
    await eventually(async () => expect(await events.deadLetters(10)).toMatchObject([{ event, attempts: 1 }]));
  });

  test('a discarded dead letter is gone', async () => {
    const events = await bench.open();
    const fail = async (): Promise<never> => {
      throw new Error('broken');
    };
    await events.subscribe(quick('readers', fail, { attemptsMax: 1 }));
    await events.publish(eventOf(made, { id: 'one' }));
    await eventually(async () => expect(await events.deadLetters(10)).toHaveLength(1));
    const [letter] = await events.deadLetters(10);
    await events.discard(letter?.id ?? '');
    expect(await events.deadLetters(10)).toEqual([]);
    await expect(events.discard(letter?.id ?? '')).rejects.toMatchObject({ code: 'not_found' });
    await expect(events.discard('nonsense')).rejects.toMatchObject({ code: 'not_found' });
  });

  test('dead letters come oldest first, at most as many as asked for, and survive opening again', async () => {
    const events = await bench.open();
    const fail = async (): Promise<never> => {
      throw new Error('broken');
    };
    await events.subscribe(quick('readers', fail, { attemptsMax: 1, concurrency: 1 }));
    for (const [index, id] of ['one', 'two', 'three'].entries()) {
      await events.publish(eventOf(made, { id }));
      await eventually(async () => expect(await events.deadLetters(10)).toHaveLength(index + 1));
    }
    await events.close();
    const again = await bench.open();
    expect((await again.deadLetters(2)).map(({ event }) => event.id)).toEqual(['one', 'two']);
    await expect(again.deadLetters(0)).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  test('an event that always fails does not hold up those behind it', async () => {
    const events = await bench.open();
    const got: string[] = [];
    await events.subscribe(
      quick(
        'readers',
        async (event) => {
          if (event.id === 'poison') throw new Error('poison');
          got.push(event.id);
        },
        { concurrency: 1, backoffMs: 60_000, backoffMaxMs: 60_000, attemptsMax: 3 },
      ),
    );
    const ids = Array.from({ length: 10 }, (_, index) => `evt-${index}`);
    await events.publish(eventOf(made, { id: 'poison' }));
    for (const id of ids) await events.publish(eventOf(made, { id }));
    await eventually(() => expect(got.toSorted()).toEqual(ids.toSorted()));
  });

  test('a handler that takes longer than the ack timeout is told so, and the event is delivered again', async () => {
    const events = await bench.open();
    const attempts: number[] = [];
    const told = Promise.withResolvers<void>();
    await events.subscribe(
      quick(
        'readers',
        async (_event, { attempt, signal }) => {
          attempts.push(attempt);
          if (attempt > 1) return;
          signal.addEventListener('abort', () => told.resolve());
          await new Promise(() => {});
        },
        { ackTimeoutMs: 30 },
      ),
    );
    await events.publish(eventOf(made));
    await told.promise;
    await eventually(() => expect(attempts).toEqual([1, 2]));
  });

  test('whichever handlers fail how often, each event ends handled or as a dead letter', async () => {
    const events = await bench.open();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ failures: fc.nat(4), slow: fc.boolean() }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        async (plans, attemptsMax, concurrency) => {
          run += 1;
          const subject = `burgage.run${run}.thing.made`;
          const planOf = new Map(plans.map((plan, index) => [`evt-${run}-${index}`, plan]));
          const handled = new Set<string>();
          const subscription = await events.subscribe({
            consumer: `run-${run}`,
            subjects: [subject],
            concurrency,
            attemptsMax,
            backoffMs: 1,
            backoffMaxMs: 3,
            ackTimeoutMs: 20_000,
            handler: async (event, { attempt }) => {
              const plan = planOf.get(event.id);
              if (plan?.slow) await new Promise((resolve) => setImmediate(resolve));
              if (attempt <= (plan?.failures ?? 0)) throw new Error(`attempt ${attempt}`);
              handled.add(event.id);
            },
          });
          await Promise.all([...planOf.keys()].map((id) => events.publish(eventOf(subject, { id }))));
          const expectedDead = [...planOf].filter(([, { failures }]) => failures >= attemptsMax).map(([id]) => id);
          const expectedHandled = [...planOf].filter(([, { failures }]) => failures < attemptsMax).map(([id]) => id);
          await eventually(async () => {
            const dead = (await events.deadLetters(1_000)).filter(({ consumer }) => consumer === `run-${run}`);
            expect([...handled].toSorted()).toEqual(expectedHandled.toSorted());
            expect(dead.map(({ event }) => event.id).toSorted()).toEqual(expectedDead.toSorted());
          });
          await subscription.stop();
          for (const { id } of await events.deadLetters(1_000)) await events.discard(id);
        },
      ),
      { numRuns: 60 },
    );
  });
}
