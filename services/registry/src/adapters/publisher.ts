// Brings what a write means for gateways into the journal before the caller is answered.
import type { Documents, Journal, OutboxItem, OutboxRelay } from '@burgage/store';
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
    const missed = await waiting(documents, id);
    if (missed.length === 0) return;
    // Another caller may have put it there since, and sees to it: what a whole relay leaves is what it cannot do.
    await relay.flush(documents, id, routesTarget);
    const left = (await waiting(documents, id)).filter((item) => missed.some((other) => other.id === item.id));
    if (left.length === 0) return;
    await routes.append(left.map(({ payload }) => payload));
    await documents.pullOutbox(
      id,
      left.map((item) => item.id),
    );
  }

  async function waiting(documents: Documents<unknown>, id: string): Promise<readonly OutboxItem[]> {
    return (await documents.get(id))?.outbox.filter(({ target }) => target === routesTarget) ?? [];
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
