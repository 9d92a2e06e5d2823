// The outbox relay: does what writes have left to be done, at least once, and in order for each document and target.
import { BurgageError } from '@burgage/contracts';
import type { Clock, Component, Logger } from '@burgage/runtime';
import type { Documents, OutboxItem, Stored } from './port.ts';
import { RelayLane } from './relay-lane.ts';

/**
 * Does what `items` ask for: all in the outbox of `document` with the same target, oldest first. Resolving means
 * done for good; throwing has them given again, together with what has come behind them. The same item may come twice.
 */
export type OutboxHandler = (items: readonly OutboxItem[], document: Stored<unknown>) => Promise<void>;

export interface OutboxRelayOptions {
  readonly documents: readonly Documents<unknown>[];
  /** Target of an item (`event`, `journal:routes`) -> what is done with it. */
  readonly handlers: Readonly<Record<string, OutboxHandler>>;
  readonly logger: Pick<Logger, 'warn'>;
  readonly clock: Clock;
  /** Between two looks for what nobody rang for, which is taken up when it has waited for five of them; default 1,000. */
  readonly intervalMs?: number;
  /** Told of every call of a handler. */
  readonly observe?: (target: string, outcome: 'relayed' | 'failed', itemCount: number) => void;
}

export interface OutboxRelay extends Component {
  /** Says that the document has something to relay; returns at once. */
  ring(documents: Documents<unknown>, id: string): void;
  /**
   * Relays the document now, whether started or not, whatever its backoff; with `target`, only what is for it. Resolves
   * when what its outbox held at the call is relayed or has failed; a failure is logged and tried again later, as the
   * write that asked for it stands.
   */
  flush(documents: Documents<unknown>, id: string, target?: string): Promise<void>;
  /** Relays every document that waits, as `flush` does one. */
  flushAll(): Promise<void>;
}

/**
 * Several relays may work on the same documents: each item is handled at least once, and for the first time only after
 * all before it in its document that have the same target. Who writes rings its own relay; the others leave an item to it
 * until it has waited for five intervals, so that without a crash or a delay nothing is handled twice.
 *
 * Each target has a lane of its own: what one target cannot take now keeps nothing of another back.
 */
export function createOutboxRelay({ documents, handlers, logger, clock, intervalMs = 1_000, observe }: OutboxRelayOptions): OutboxRelay {
  const lanes = Object.entries(handlers).map(
    ([target, handler]) =>
      new RelayLane({ documents, takes: (of) => of === target, handler, logger, clock, intervalMs, ...(observe && { observe }) }),
  );
  const nobodys = new RelayLane({
    documents,
    takes: (target) => !Object.hasOwn(handlers, target),
    handler: async ([first], { id }) => {
      throw new BurgageError('internal', { message: `outbox of "${id}": nobody handles the target "${first?.target}"` });
    },
    logger,
    clock,
    intervalMs,
    ...(observe && { observe }),
  });
  const all = [...lanes, nobodys];
  return {
    name: 'outbox relay',
    async start() {
      for (const lane of all) lane.start();
    },
    async stop() {
      await Promise.all(all.map((lane) => lane.stop()));
    },
    ring(of, id) {
      for (const lane of all) lane.ring(of, id);
    },
    async flush(of, id, target) {
      await Promise.all(all.filter((lane) => target === undefined || lane.takes(target)).map((lane) => lane.flush(of, id)));
    },
    async flushAll() {
      await Promise.all(all.map((lane) => lane.flushAll()));
    },
  };
}
