// Shares out the few password checks that can run at once, so that a flood on one tenant costs the others a short wait and not their sign-in.
import { ProblemError } from '@burgage/app-kit';
import type { Sources } from './sources.ts';

/** Each check holds 32 MiB and a thread of libuv's four; the file system and DNS need the others. */
const atOnceMax = 2;
export const waitingPerLaneMax = 4;
/** Less than a lane has, so that no single client takes all of it. */
export const waitingPerClientMax = 2;

export interface Asker {
  readonly tenantId: string;
  /** See client.ts. */
  readonly client: string;
  /** Holds a secret of the tenant; a tenant's trusted askers wait in a lane of their own, out of reach of strangers. */
  readonly trusted: boolean;
}

/**
 * Runs `work` when it is its turn. Lanes with waiters take turns, one check each; clients that have a check running let others go first,
 * so that one client cannot wait in many tenants' lanes to hold all of them up. Who has to wait takes one of the lane's four places, at
 * most two a client, and is refused with `unavailable` when there is none. `pauseMs` is spent in such a place, before the turn.
 */
export type Turns = <T>(asker: Asker, work: () => Promise<T>, pauseMs?: number) => Promise<T>;

interface Waiter {
  readonly client: string;
  readonly start: () => void;
}

export function createTurns({ sleep }: Pick<Sources, 'sleep'>): Turns {
  /** The clients whose checks run. */
  const running: string[] = [];
  /** Waiters by lane, no lane empty, the lane that is next first. */
  const lanes = new Map<string, Waiter[]>();
  /** How many places are taken, by lane and by lane and client. */
  const taken = new Map<string, number>();

  function takePlace(lane: string, client: string): () => void {
    const bounds: [key: string, placesMax: number][] = [
      [lane, waitingPerLaneMax],
      [`${lane} ${client}`, waitingPerClientMax],
    ];
    if (bounds.some(([key, placesMax]) => (taken.get(key) ?? 0) >= placesMax))
      throw new ProblemError('unavailable', { message: 'Too many people sign in at this moment.' });
    for (const [key] of bounds) taken.set(key, (taken.get(key) ?? 0) + 1);
    return () => {
      for (const [key] of bounds) {
        const left = (taken.get(key) ?? 0) - 1;
        if (left > 0) taken.set(key, left);
        else taken.delete(key);
      }
    };
  }

  function startNext(): void {
    if (running.length >= atOnceMax) return;
    const waiting = [...lanes];
    const [lane, waiters] = waiting.find(([, [first]]) => first && !running.includes(first.client)) ?? waiting[0] ?? [];
    const waiter = waiters?.shift();
    if (lane === undefined || waiters === undefined || waiter === undefined) return;
    lanes.delete(lane);
    if (waiters.length > 0) lanes.set(lane, waiters);
    running.push(waiter.client);
    waiter.start();
  }

  return async ({ tenantId, client, trusted }, work, pauseMs = 0) => {
    const lane = `${tenantId} ${trusted ? 'trusted' : 'strangers'}`;
    if (pauseMs > 0 || running.length >= atOnceMax) {
      const leavePlace = takePlace(lane, client);
      try {
        if (pauseMs > 0) await sleep(pauseMs);
        await new Promise<void>((start) => {
          const waiters = lanes.get(lane);
          if (waiters) waiters.push({ client, start });
          else lanes.set(lane, [{ client, start }]);
          startNext();
        });
      } finally {
        leavePlace();
      }
    } else running.push(client);
    try {
      return await work();
    } finally {
      running.splice(running.indexOf(client), 1);
      startNext();
    }
  };
}
