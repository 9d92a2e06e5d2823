// Brings what a write means for gateways into the journal before the caller is answered.
import type { Documents, Journal, OutboxRelay } from '@burgage/store';
import { routesTarget } from './outbox.ts';

/** The part of the store's relay that is used here. */
export type Relay = Pick<OutboxRelay, 'ring' | 'flush'>;

/** A document that was written. */
export type Written = readonly [documents: Documents<unknown>, id: string];

export interface RoutePublisher {
  /** Resolves when the routes show these documents as they are, and answers with a revision that does. @throws BurgageError what the journal throws: the write stands, and shows later. */
  publish(...written: readonly Written[]): Promise<number>;
  /** Has these documents' outboxes relayed soon, without waiting. */
  ring(...written: readonly Written[]): void;
}

/**
 * The relay does it, so that nothing is appended twice without need. It only logs what fails: what it has left over is put
 * into the journal here, so that the caller hears of a journal that takes nothing.
 */
export function createRoutePublisher(relay: Relay, routes: Journal): RoutePublisher {
  async function publishOne([documents, id]: Written): Promise<void> {
    await relay.flush(documents, id, routesTarget);
    // Whoever hears of events may be away: nobody waits for that.
    relay.ring(documents, id);
    const stored = await documents.get(id);
    const left = stored?.outbox.filter(({ target }) => target === routesTarget) ?? [];
    if (left.length === 0) return;
    await routes.append(left.map(({ payload }) => payload));
    await documents.pullOutbox(
      id,
      left.map((item) => item.id),
    );
  }

  return {
    async publish(...written) {
      for (const one of written) await publishOne(one);
      return (await routes.head()).revision;
    },
    ring(...written) {
      for (const [documents, id] of written) relay.ring(documents, id);
    },
  };
}
