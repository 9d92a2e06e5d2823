// One stream of a route feed, taken message by message into a table.
import { create, fromBinary } from '@bufbuild/protobuf';
import { type WatchRoutesResponse, WatchRoutesResponseSchema } from '@burgage/contracts';
import type { Journal } from '@burgage/store';
import { routeBatchToBytes } from '@burgage/tenancy';
import type { ProvenPosition, RouteFeed, RouteMessage } from '../route-feed.ts';
import { TestTable } from './table.ts';

/** A gateway that follows a feed, and can be cut off. */
export class Follower {
  readonly table = new TestTable();
  kinds: string[] = [];
  #stream: AsyncGenerator<RouteMessage, void> | undefined;
  #gone = new AbortController();

  open(feed: RouteFeed, position: ProvenPosition = this.table.position, peer?: string): this {
    this.#gone = new AbortController();
    this.kinds = [];
    this.#stream = feed.follow(position, { peer, signal: this.#gone.signal });
    return this;
  }

  /** Takes one message; false where the stream has ended. */
  async take(): Promise<boolean> {
    const next = await this.#stream?.next();
    if (!next || next.done) return false;
    const message = overTheWire(next.value);
    this.kinds.push(message.message.case ?? '');
    this.table.take(message);
    return true;
  }

  async takeUntil(done: () => boolean): Promise<void> {
    for (let messages = 0; !done(); messages++) {
      if (messages > 2_000 || !(await this.take())) throw new Error(`not reached: ${this.kinds.slice(-10).join(', ')}`);
    }
  }

  /** Until it has all that the journal holds now. */
  async catchUp(routes: Journal): Promise<void> {
    const { epoch, revision } = await routes.head();
    await this.takeUntil(
      () => this.table.position.epoch === epoch && this.table.position.revision >= revision && this.kinds.at(-1) !== 'snapshotBegin',
    );
  }

  async cut(): Promise<void> {
    this.#gone.abort();
    await this.#stream?.return();
    this.table.disconnected();
  }
}

function overTheWire({ message }: RouteMessage): WatchRoutesResponse {
  if (message.case === 'batch') return fromBinary(WatchRoutesResponseSchema, routeBatchToBytes(message.value));
  return create(WatchRoutesResponseSchema, { message });
}
