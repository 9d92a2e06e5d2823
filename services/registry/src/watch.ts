// The conversation with one gateway: it says hello and how far it is, and is told the routes.
import { invalidField, type WatchRoutesHello, type WatchRoutesRequest } from '@burgage/contracts';
import type { RpcCall } from '@burgage/rpc';
import type { Journal } from '@burgage/store';
import { unwrap } from '@burgage/tenancy';
import { checkHello, type GatewayConnection, type Gateways, positionOf, provenPositionOf } from './gateways.ts';
import type { LimitShares, SharesConversation } from './limit-shares.ts';
import type { RouteFeed, RouteMessage } from './route-feed.ts';

export interface WatchParts {
  readonly feed: RouteFeed;
  readonly gateways: Gateways;
  readonly routes: Pick<Journal, 'head'>;
  readonly shares: Pick<LimitShares, 'connect'>;
}

/**
 * Answers a stream of WatchRoutes until the gateway ends it or the call's signal is aborted.
 * @throws BurgageError `invalid_argument` where the gateway does not begin with a hello, says it twice, says nothing, or
 * is in an epoch that no gateway of this registry can be in; what the feed throws.
 */
export async function* watchRoutes(
  { feed, gateways, routes, shares }: WatchParts,
  requests: AsyncIterable<WatchRoutesRequest>,
  { peer, signal }: Pick<RpcCall, 'peer' | 'signal'>,
): AsyncGenerator<RouteMessage, void> {
  const said = requests[Symbol.asyncIterator]();
  const first = await Promise.race([said.next(), aborted(signal)]);
  if (first === undefined || first.done) return;
  const hello = helloOf(first.value);
  const position = unwrap(provenPositionOf(hello, (await routes.head()).epoch));
  const connection = gateways.connect(hello);
  const news = new News();
  const conversation = hello.takesShares ? shares.connect(hello.gatewayId, () => news.ring()) : undefined;
  const ended = new AbortController();
  let failure: unknown;
  // Runs beside the answers: a gateway says how far it is whether or not there is anything to tell it.
  void listen(said, connection, conversation)
    .catch((error: unknown) => {
      failure = error;
    })
    .finally(() => ended.abort());
  try {
    yield* withShares(feed.follow(position, { peer, signal: AbortSignal.any([signal, ended.signal]) }), conversation, news);
    if (failure !== undefined && !signal.aborted) throw failure;
  } finally {
    conversation?.close();
    connection.close();
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

function helloOf({ message }: WatchRoutesRequest): WatchRoutesHello {
  if (message.case === 'hello') return unwrap(checkHello(message.value));
  throw invalidField('message', `got ${message.case ?? 'nothing'} first, expected hello`);
}

/** Wakes the one who waits; a ring that nobody waited for is kept. */
class News {
  #isRung = false;
  #wake: () => void = () => {};

  ring(): void {
    this.#isRung = true;
    this.#wake();
  }

  async wait(): Promise<void> {
    if (!this.#isRung) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#isRung = false;
  }
}

/** The routes, and between them, as soon as there are any, new shares. */
async function* withShares(
  routes: AsyncGenerator<RouteMessage, void>,
  shares: SharesConversation | undefined,
  news: News,
): AsyncGenerator<RouteMessage, void> {
  if (shares === undefined) {
    yield* routes;
    return;
  }
  let came: { readonly outcome: IteratorResult<RouteMessage, void> } | { readonly failure: unknown } | undefined;
  let isAsked = false;
  // Asked for the next only when the last was taken. A race of promises would keep something of every one that lost.
  const ask = (): void => {
    isAsked = true;
    routes.next().then(
      (outcome) => {
        came = { outcome };
        news.ring();
      },
      (failure: unknown) => {
        came = { failure };
        news.ring();
      },
    );
  };
  try {
    for (;;) {
      if (!isAsked) ask();
      await news.wait();
      const value = shares.take();
      if (value !== undefined) yield { message: { case: 'limitShares', value } };
      if (came === undefined) continue;
      if ('failure' in came) throw came.failure;
      if (came.outcome.done) return;
      const message = came.outcome.value;
      came = undefined;
      isAsked = false;
      yield message;
    }
  } finally {
    await routes.return();
  }
}

async function listen(
  said: AsyncIterator<WatchRoutesRequest>,
  connection: GatewayConnection,
  conversation: SharesConversation | undefined,
): Promise<void> {
  for (let next = await said.next(); !next.done; next = await said.next()) {
    const { message } = next.value;
    if (message.case !== 'applied') throw invalidField('message', `got ${message.case ?? 'nothing'} after hello, expected applied`);
    connection.said(unwrap(positionOf('applied', message.value)), message.value.snapshotHeld);
    conversation?.said(message.value);
  }
}
