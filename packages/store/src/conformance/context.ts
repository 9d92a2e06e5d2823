// A store at a fresh place for each group of tests, and everything that was opened closed at its end.
import { afterEach } from 'vitest';
import type { Documents, DocumentType, Json, Store } from '../port.ts';
import type { ChildOrder, Task } from './child.ts';
import { type Child, startTogether } from './children.ts';
import type { StorePlaces } from './places.ts';

/** What a test of the suite works with. */
export interface Bench {
  /** A new place for this test. */
  newPlace(): Promise<Json>;
  /** Opens the store at `place`, by default at a new one; closed after the test. */
  open(place?: Json): Promise<Store>;
  /** How often something is done that is done `count` times where the engine is fast. */
  times(count: number): number;
  /** Starts a process for each task, all on the store at `place`; killed after the test where they still live. */
  start(place: Json, tasks: readonly Task[]): Promise<readonly Child[]>;
}

export interface BenchOptions {
  readonly module: string;
  readonly places: StorePlaces;
  readonly effort?: number;
}

/** For use inside `describe`: everything that a test opens is closed after it. */
export function createBench({ module, places, effort = 1 }: BenchOptions): Bench {
  const stores: Store[] = [];
  const children: Child[] = [];
  const taken: Json[] = [];
  const newPlace = async (): Promise<Json> => {
    const place = await places.newPlace();
    taken.push(place);
    return place;
  };
  afterEach(async () => {
    await Promise.all(children.splice(0).map((child) => child.kill()));
    await Promise.all(stores.splice(0).map((store) => store.close()));
    await Promise.all(taken.splice(0).map((place) => places.removePlace(place)));
  });
  return {
    newPlace,
    times: (count) => Math.ceil(count * effort),
    open: async (place) => {
      const store = await places.openStore(place ?? (await newPlace()));
      stores.push(store);
      return store;
    },
    start: async (place, tasks) => {
      const started = await startTogether(tasks.map((task): ChildOrder => ({ module, place, task })));
      children.push(...started);
      return started;
    },
  };
}

/** Every document that a list gives, page by page. */
export async function listAll<T>(documents: Documents<T>, query: Parameters<Documents<T>['list']>[0] = {}): Promise<readonly string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await documents.list(cursor === undefined ? query : { ...query, cursor });
    ids.push(...page.items.map((item) => item.id));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return ids;
}

/** The outcome of a refused call. */
export async function codeOf(call: Promise<unknown> | (() => Promise<unknown>)): Promise<string> {
  try {
    await (typeof call === 'function' ? call() : call);
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
  return 'no error';
}

/** A document type from its name and what it declares. */
export function typeOf<T>(type: Omit<DocumentType<T>, 'schemaVersion'> & { readonly schemaVersion?: number }): DocumentType<T> {
  return { schemaVersion: 1, ...type };
}
