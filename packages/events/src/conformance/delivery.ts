// Conformance: who gets which event.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Event } from '../port.ts';
import { type EventsEngine, eventOf, eventually, quick, useBench } from './engine.ts';

const made = 'burgage.test.thing.made';

export function deliveryConformance(engine: EventsEngine): void {
  const bench = useBench(engine);

  test('an event arrives as it was published, at its first attempt', async () => {
    const events = await bench.open();
    const got: [Event, number][] = [];
    await events.subscribe(quick('readers', async (event, { attempt }) => void got.push([event, attempt])));
    const traced = eventOf(made, {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      schema: 'burgage.test.v1.ThingMade',
    });
    const plain = eventOf(made, { data: new Uint8Array() });
    await events.publish(traced);
    await events.publish(plain);
    await eventually(() => expect(got).toHaveLength(2));
    expect(got.find(([event]) => event.id === traced.id)).toEqual([traced, 1]);
    expect(got.find(([event]) => event.id === plain.id)).toEqual([plain, 1]);
  });

  test('an event arrives as it was published, whatever its texts and bytes are', async () => {
    const events = await bench.open();
    const got = new Map<string, Event>();
    await events.subscribe(quick('readers', async (event) => void got.set(event.id, event)));
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^[ %"\r\n\t:]{0,5}$/),
      fc.constantFrom('%41', ' begins and ends with a space ', 'Straße 🏠'),
    );
    let count = 0;
    await fc.assert(
      fc.asyncProperty(text, text, text, text, fc.uint8Array({ maxLength: 50 }), async (id, source, entity, time, data) => {
        count += 1;
        const event = { id: `${count} ${id}`, subject: made, source, entity, time, data: new Uint8Array(data) };
        await events.publish(event);
        await eventually(() => expect(got.get(event.id)).toEqual(event));
      }),
      { numRuns: 100 },
    );
  });

  test('a consumer seen for the first time begins with the events published from then on', async () => {
    const events = await bench.open();
    await events.publish(eventOf(made, { id: 'before' }));
    const got: string[] = [];
    await events.subscribe(quick('newcomers', async (event) => void got.push(event.id)));
    await events.publish(eventOf(made, { id: 'after' }));
    await eventually(() => expect(got).toContain('after'));
    expect(got).toEqual(['after']);
  });

  test('a known consumer keeps its place while nobody is there', async () => {
    const events = await bench.open();
    const got: string[] = [];
    const handler = async (event: Event): Promise<void> => void got.push(event.id);
    const first = await events.subscribe(quick('readers', handler));
    await events.publish(eventOf(made, { id: 'one' }));
    await eventually(() => expect(got).toEqual(['one']));
    await first.stop();
    await events.publish(eventOf(made, { id: 'two' }));
    await events.publish(eventOf(made, { id: 'three' }));
    expect(got).toEqual(['one']);
    await events.subscribe(quick('readers', handler));
    await eventually(() => expect(got.toSorted()).toEqual(['one', 'three', 'two']));
  });

  test('events and places survive closing and opening again', async () => {
    const before = await bench.open();
    const got: string[] = [];
    const handler = async (event: Event): Promise<void> => void got.push(event.id);
    const subscription = await before.subscribe(quick('readers', handler));
    await before.publish(eventOf(made, { id: 'handled' }));
    await eventually(() => expect(got).toEqual(['handled']));
    await subscription.stop();
    await before.publish(eventOf(made, { id: 'kept' }));
    await before.close();

    const after = await bench.open();
    await after.subscribe(quick('readers', handler));
    await eventually(() => expect(got).toContain('kept'));
    expect(got).toEqual(['handled', 'kept']);
  });

  test('subscribers of one consumer share its events, each event once', async () => {
    const events = await bench.open();
    const other = await bench.open();
    const byFirst: string[] = [];
    const bySecond: string[] = [];
    const both = Promise.withResolvers<void>();
    const record = (list: string[]) => async (event: Event) => {
      list.push(event.id);
      if (byFirst.length > 0 && bySecond.length > 0) both.resolve();
      await both.promise;
    };
    await events.subscribe(quick('workers', record(byFirst), { concurrency: 1 }));
    await other.subscribe(quick('workers', record(bySecond), { concurrency: 1 }));
    const published = Array.from({ length: 20 }, () => eventOf(made));
    await Promise.all(published.map((event) => events.publish(event)));
    await eventually(() => expect(byFirst.length + bySecond.length).toBe(published.length));
    expect([...byFirst, ...bySecond].toSorted()).toEqual(published.map(({ id }) => id).toSorted());
  });

  test('each consumer gets every event', async () => {
    const events = await bench.open();
    const got: Record<'left' | 'right', string[]> = { left: [], right: [] };
    await events.subscribe(quick('left', async (event) => void got.left.push(event.id)));
    await events.subscribe(quick('right', async (event) => void got.right.push(event.id)));
    const ids = Array.from({ length: 20 }, (_, index) => `evt-${index}`);
    await Promise.all(ids.map((id) => events.publish(eventOf(made, { id }))));
    await eventually(() => {
      expect(got.left.toSorted()).toEqual(ids.toSorted());
      expect(got.right.toSorted()).toEqual(ids.toSorted());
    });
  });

  test('a consumer gets the subjects that it asked for, known or not, and no others', async () => {
    const events = await bench.open();
    const got: Record<'exact' | 'star' | 'rest', string[]> = { exact: [], star: [], rest: [] };
    const into = (name: keyof typeof got) => async (event: Event) => void got[name].push(event.subject);
    await events.subscribe(quick('exact', into('exact'), { subjects: ['burgage.a.thing.made', 'burgage.end'] }));
    await events.subscribe(quick('star', into('star'), { subjects: ['burgage.*.thing.made', 'burgage.end'] }));
    await events.subscribe(quick('rest', into('rest'), { subjects: ['burgage.a.>', 'burgage.end'] }));
    for (const subject of [
      'burgage.a.thing.made',
      'burgage.b.thing.made',
      'burgage.a.thing',
      'burgage.a',
      'burgage.b.c.thing.made',
      'other.a.thing.made',
    ]) {
      await events.publish(eventOf(subject));
    }
    await events.publish(eventOf('burgage.end'));
    await eventually(() => {
      expect(got.exact.toSorted()).toEqual(['burgage.a.thing.made', 'burgage.end']);
      expect(got.star.toSorted()).toEqual(['burgage.a.thing.made', 'burgage.b.thing.made', 'burgage.end']);
      expect(got.rest.toSorted()).toEqual(['burgage.a.thing', 'burgage.a.thing.made', 'burgage.end']);
    });
  });

  test('what the newest subscription of a consumer asks for holds from then on', async () => {
    const events = await bench.open();
    const got: string[] = [];
    const handler = async (event: Event): Promise<void> => void got.push(event.subject);
    const first = await events.subscribe(quick('readers', handler, { subjects: ['burgage.a.>'] }));
    await events.publish(eventOf('burgage.a.thing.made'));
    await eventually(() => expect(got).toEqual(['burgage.a.thing.made']));
    await first.stop();
    await events.subscribe(quick('readers', handler, { subjects: ['burgage.b.>', 'burgage.*.thing.lost'] }));
    for (const subject of ['burgage.a.thing.made', 'burgage.b.thing.made', 'burgage.b.thing.lost', 'burgage.c.thing.lost']) {
      await events.publish(eventOf(subject));
    }
    await eventually(() => expect(got).toContain('burgage.c.thing.lost'));
    expect(got.toSorted()).toEqual(['burgage.a.thing.made', 'burgage.b.thing.lost', 'burgage.b.thing.made', 'burgage.c.thing.lost']);
  });

  test('a consumer that was removed is seen for the first time again; its dead letters are forgotten, those of others not', async () => {
    const events = await bench.open();
    const fail = async (): Promise<never> => {
      throw new Error('broken');
    };
    const [gone, kept] = await Promise.all(['gone', 'kept'].map((consumer) => events.subscribe(quick(consumer, fail, { attemptsMax: 1 }))));
    await events.publish(eventOf(made));
    await eventually(async () => expect(await events.deadLetters(10)).toHaveLength(2));
    await gone?.stop();
    await kept?.stop();
    await events.publish(eventOf(made, { id: 'missed' }));
    await events.removeConsumer('gone');
    expect(await events.deadLetters(10)).toMatchObject([{ consumer: 'kept' }]);
    await expect(events.removeConsumer('gone')).rejects.toMatchObject({ code: 'not_found' });
    await expect(events.removeConsumer('never-seen')).rejects.toMatchObject({ code: 'not_found' });
    await expect(events.removeConsumer('not a name')).rejects.toMatchObject({ code: 'invalid_argument' });

    const got: Record<'gone' | 'kept', string[]> = { gone: [], kept: [] };
    const into = (name: keyof typeof got) => async (event: Event) => void got[name].push(event.id);
    await events.subscribe(quick('gone', into('gone')));
    await events.subscribe(quick('kept', into('kept')));
    await events.publish(eventOf(made, { id: 'after' }));
    await eventually(() => {
      expect(got.gone).toEqual(['after']);
      expect(got.kept.toSorted()).toEqual(['after', 'missed']);
    });
  });

  test('publishing the same id again is accepted, and the event is delivered', async () => {
    const events = await bench.open();
    const got: string[] = [];
    await events.subscribe(quick('readers', async (event) => void got.push(event.id)));
    const event = eventOf(made, { id: 'same' });
    await events.publish(event);
    await events.publish(event);
    await events.publish(eventOf(made, { id: 'last' }));
    await eventually(() => expect(got).toContain('last'));
    expect(new Set(got)).toEqual(new Set(['same', 'last']));
  });

  test('no more handlers of a subscription run at once than it allows', async () => {
    const events = await bench.open();
    let running = 0;
    let highest = 0;
    let ended = 0;
    const three = Promise.withResolvers<void>();
    await events.subscribe(
      quick(
        'workers',
        async () => {
          running += 1;
          highest = Math.max(highest, running);
          if (running === 3) three.resolve();
          await three.promise;
          running -= 1;
          ended += 1;
        },
        { concurrency: 3 },
      ),
    );
    await Promise.all(Array.from({ length: 12 }, () => events.publish(eventOf(made))));
    await eventually(() => expect(ended).toBe(12));
    expect(highest).toBe(3);
  });

  test('stop resolves after the running handlers have ended, and what they handled does not come again', async () => {
    const events = await bench.open();
    const order: string[] = [];
    const begun = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const subscription = await events.subscribe(
      quick('readers', async (event) => {
        begun.resolve();
        await gate.promise;
        order.push(event.id);
      }),
    );
    await events.publish(eventOf(made, { id: 'slow' }));
    await begun.promise;
    const stopped = subscription.stop().then(() => order.push('stopped'));
    await events.publish(eventOf(made, { id: 'later' }));
    gate.resolve();
    await stopped;
    expect(order).toEqual(['slow', 'stopped']);
    await subscription.stop();

    const got: string[] = [];
    await events.subscribe(quick('readers', async (event) => void got.push(event.id)));
    await eventually(() => expect(got).toContain('later'));
    expect(got).toEqual(['later']);
  });

  test.each([
    ['a subject with a wildcard', { subject: 'burgage.*' }],
    ['a subject with an empty token', { subject: 'burgage..made' }],
    ['an empty subject', { subject: '' }],
    ['an empty id', { id: '' }],
    ['a text that is half a character', { entity: '\ud800' }],
  ])('%s is not published', async (_, overrides) => {
    const events = await bench.open();
    await expect(events.publish(eventOf(made, overrides))).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  test.each([
    ['a consumer name with a dot', { consumer: 'a.b' }, 'consumer'],
    ['no subjects', { subjects: [] }, 'subjects'],
    ['a filter whose > is not last', { subjects: ['burgage.>.made'] }, 'subjects'],
    ['no concurrency', { concurrency: 0 }, 'concurrency'],
    ['no attempts', { attemptsMax: 0 }, 'attemptsMax'],
  ])('%s is not subscribed', async (_, overrides, field) => {
    const events = await bench.open();
    await expect(events.subscribe(quick('readers', async () => {}, overrides))).rejects.toMatchObject({
      code: 'invalid_argument',
      fields: [{ field }],
    });
  });

  test('closed events refuse with unavailable', async () => {
    const events = await bench.open();
    await events.ping();
    await events.close();
    await events.close();
    await expect(events.publish(eventOf(made))).rejects.toMatchObject({ code: 'unavailable' });
    await expect(events.ping()).rejects.toMatchObject({ code: 'unavailable' });
  });
}
