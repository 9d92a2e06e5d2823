// A route feed over the routes of a test, quick where the real one takes its time.
import { systemClock } from '@burgage/runtime';
import type { Journal } from '@burgage/store';
import { createRouteFeed, type RouteFeed, type RouteFeedOptions } from '../route-feed.ts';
import { routeSnapshot } from '../snapshot.ts';
import type { Follower } from './follower.ts';
import type { TestRoutes } from './routes.ts';

export function feedOver({ routes, documents }: TestRoutes, options: Partial<RouteFeedOptions> = {}): RouteFeed {
  return createRouteFeed({
    journal: routes,
    snapshot: () => routeSnapshot(documents, 4),
    clock: systemClock,
    headIntervalMs: 20,
    ...options,
  });
}

/** The journal as it is, for tests that replace a part of it. */
export function journalOver(routes: Journal): RouteFeedOptions['journal'] {
  return {
    head: () => routes.head(),
    readAfter: (...args) => routes.readAfter(...args),
    waitBeyond: (...args) => routes.waitBeyond(...args),
    standing: (position) => routes.standing(position),
    append: (values) => routes.append(values),
    reset: (options) => routes.reset(options),
  };
}

export function hostsOf(follower: Follower): string[] {
  return [...follower.table.shown.keys()];
}
