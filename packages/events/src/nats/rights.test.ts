// Tests of the rights: the lines in docs/nats.md are enough for everything that the adapter does, and what is missing is said.
import { readFileSync } from 'node:fs';
import { describeWithLab } from '@burgage/lab';
import { expect, test } from 'vitest';
import { eventOf, eventually, quick } from '../conformance/engine.ts';
import { useNatsBench } from './testing/bench.ts';
import { backDoor } from './testing/server.ts';

const made = 'burgage.test.thing.made';
const page = readFileSync(new URL('../../../../docs/nats.md', import.meta.url), 'utf8');
const [, documented = 'docs/nats.md has no configuration'] = /```\n(authorization \{.*?)```/s.exec(page) ?? [];
const config = documented.replace('users: [', 'users: [\n { user: root, password: root }');

describeWithLab('nats with the documented rights', [{ server: 'nats', options: { config } }], (lab) => {
  const bench = useNatsBench();

  test('everything works, from the first stream to the last dead letter', async () => {
    const { host, port } = lab.server('nats');
    const url = `nats://burgage:change-me@${host}:${port}`;
    const events = await bench.openWithoutNamespace({ url });
    const got: string[] = [];
    let healthy = false;
    const handler = async ({ id }: { readonly id: string }): Promise<void> => {
      if (!healthy && id !== 'good') throw new Error('broken');
      got.push(id);
    };
    const options = { attemptsMax: 1, ackTimeoutMs: 100 };
    const subscription = await events.subscribe(quick('readers', handler, options));
    for (const id of ['good', 'replayed', 'discarded']) await events.publish(eventOf(made, { id }));
    await eventually(async () => expect(await events.deadLetters(10)).toHaveLength(2));
    await subscription.stop();

    await events.publish(eventOf(made, { id: 'exhausted' }));
    await using door = await backDoor(`nats://root:root@${host}:${port}`);
    await door.exhaust('readers', 1);
    await eventually(async () => expect(await events.deadLetters(10)).toHaveLength(3));
    const idOf = new Map((await events.deadLetters(10)).map((letter) => [letter.event.id, letter.id]));

    healthy = true;
    await events.subscribe(quick('readers', handler, { ...options, subjects: ['burgage.test.>'] }));
    await events.replay(idOf.get('replayed') ?? '');
    await events.replay(idOf.get('exhausted') ?? '');
    await events.discard(idOf.get('discarded') ?? '');
    await eventually(() => expect(got.toSorted()).toEqual(['exhausted', 'good', 'replayed']));
    await (await events.subscribe(quick('another', async () => {}))).stop();
    await events.removeConsumer('another');
    await events.ping();
    // Other settings change the streams.
    await bench.openWithoutNamespace({ url, retentionMs: 3_600_000 });
    expect(await bench.log()).not.toContain('Permissions Violation');
  });

  test('a right that is missing is said with its subject', async () => {
    const { host, port } = lab.server('nats');
    const url = `nats://burgage:change-me@${host}:${port}`;
    await expect(bench.open({ url, namespace: 'foreign' })).rejects.toMatchObject({
      code: 'credentials_refused',
      message: expect.stringContaining('may not publish to $JS.API.STREAM.INFO.burgage-foreign-'),
    });
    expect(await bench.logged('error')).toEqual([expect.stringContaining('events: the NATS user lacks a right')]);
  });
});
