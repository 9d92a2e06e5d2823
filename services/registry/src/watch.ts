// The conversation with one gateway: it says hello and how far it is, and is told the routes.
import { invalidField, type WatchRoutesHello, type WatchRoutesRequest } from '@burgage/contracts';
import type { RpcCall } from '@burgage/rpc';
import type { Journal } from '@burgage/store';
import { unwrap } from '@burgage/tenancy';
import { checkHello, type GatewayConnection, type Gateways, positionOf, provenPositionOf } from './gateways.ts';
import type { RouteFeed, RouteMessage } from './route-feed.ts';

export interface WatchParts {
  readonly feed: RouteFeed;
  readonly gateways: Gateways;
  readonly routes: Pick<Journal, 'head'>;
}

/**
 * Answers a stream of WatchRoutes until the gateway ends it or the call's signal is aborted.
 * @throws BurgageError `invalid_argument` where the gateway does not begin with a hello, says it twice, says nothing, or
 * is in an epoch that no gateway of this registry can be in; what the feed throws.
 */
export async function* watchRoutes(
  { feed, gateways, routes }: WatchParts,
  requests: AsyncIterable<WatchRoutesRequest>,
  { peer, signal }: Pick<RpcCall, 'peer' | 'signal'>,
): AsyncGenerator<RouteMessage, void> {
  const said = requests[Symbol.asyncIterator]();
  const first = await Promise.race([said.next(), aborted(signal)]);
  if (first === undefined || first.done) return;
  const hello = helloOf(first.value);
  const position = unwrap(provenPositionOf(hello, (await routes.head()).epoch));
  const connection = gateways.connect(hello);
  const ended = new AbortController();
  let failure: unknown;
  // Runs beside the answers: a gateway says how far it is whether or not there is anything to tell it.
  void listen(said, connection)
    .catch((error: unknown) => {
      failure = error;
    })
    .finally(() => ended.abort());
  try {
    yield* feed.follow(position, { peer, signal: AbortSignal.any([signal, ended.signal]) });
    if (failure !== undefined && !signal.aborted) throw failure;
  } finally {
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

async function listen(said: AsyncIterator<WatchRoutesRequest>, connection: GatewayConnection): Promise<void> {
  for (let next = await said.next(); !next.done; next = await said.next()) {
    const { message } = next.value;
    if (message.case !== 'applied') throw invalidField('message', `got ${message.case ?? 'nothing'} after hello, expected applied`);
    connection.said(unwrap(positionOf('applied', message.value)), message.value.snapshotHeld);
  }
}
