// What tests and benches do to a NATS server behind the adapter's back.
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { parseAddress } from '../address.ts';
import { type Layout, layoutOf } from '../layout.ts';

/** A connection of its own to what the adapter keeps on a server. */
export interface BackDoor extends AsyncDisposable {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly layout: Layout;
  /** Takes the deliveries of a consumer and answers none, until the server has given up `count` events in all. */
  exhaust(consumer: string, count: number): Promise<void>;
}

export async function backDoor(url: string, namespace?: string): Promise<BackDoor> {
  const { servers, user, password } = parseAddress(url);
  const connection = await connect({ servers: [...servers], ...(user === undefined ? {} : { user, pass: password ?? '' }) });
  const layout = layoutOf(namespace);
  const manager = await jetstreamManager(connection);
  return {
    connection,
    manager,
    layout,
    async exhaust(consumer, count) {
      const handle = await jetstream(connection).consumers.get(layout.eventsStream, consumer);
      // It looks whether an event has been delivered too often only when somebody asks for more.
      while ((await manager.streams.info(layout.exhaustedStream)).state.messages < count) await handle.next({ expires: 1_000 });
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

/** Deletes all streams of a namespace, and with them its consumers. */
export async function removeNamespace(url: string, namespace: string): Promise<void> {
  await using door = await backDoor(url, namespace);
  const { eventsStream, deadLettersStream, exhaustedStream } = door.layout;
  for (const stream of [eventsStream, deadLettersStream, exhaustedStream]) await door.manager.streams.delete(stream).catch(() => {});
}
