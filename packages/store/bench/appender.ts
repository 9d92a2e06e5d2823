// A process of the MongoDB bench: appends to a journal for a while, as one of several, and says how many times.
import { openMongoStore } from '../src/mongodb/store.ts';

export interface AppenderOrder {
  readonly url: string;
  readonly database: string;
  readonly journal: string;
  /** That append at once, each one entry after the other. */
  readonly callers: number;
  readonly forMs: number;
}

const { url, database, journal: name, callers, forMs } = JSON.parse(process.argv[2] ?? '') as AppenderOrder;
const store = await openMongoStore({ url, database });
const journal = store.journal(name);
await journal.append([{ kind: 'host', key: 'first.example.com' }]);
process.stdout.write('ready\n');
await new Promise((resolve) => process.stdin.once('data', resolve));
const endsAtMs = performance.now() + forMs;
let appended = 0;
const append = async (): Promise<void> => {
  for (; performance.now() < endsAtMs; appended += 1) await journal.append([{ kind: 'host', key: `tenant-${appended}.example.com` }]);
};
await Promise.all(Array.from({ length: callers }, append));
process.stdout.write(`${appended}\n`);
await store.close();
process.stdin.destroy();
