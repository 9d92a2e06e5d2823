// What replicas write about gateways for each other: enough that sign-ups need not wait, and little.
import type { WatchRoutesHello } from '@burgage/contracts';
import { ManualClock, seededRandom } from '@burgage/runtime';
import type { Documents } from '@burgage/store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gatewayType } from './adapters/documents.ts';
import { type GatewayRecord, lastingTwin } from './domain/gateway.ts';
import { createGateways, type GatewayConnection, type Gateways } from './gateways.ts';
import { quiet, type TestFolder, testFolder } from './testing/registry.ts';

let folder: TestFolder;
let documents: Documents<GatewayRecord>;
let close: () => Promise<void>;
let clock: ManualClock;
let writes: number;
let replicas: number;
let warnings: unknown[];

beforeEach(async () => {
  folder = await testFolder();
  const store = await folder.openStore();
  close = () => store.close();
  documents = store.documents(gatewayType);
  clock = new ManualClock();
  writes = 0;
  replicas = 0;
  warnings = [];
});

afterEach(async () => {
  await close();
  await folder.remove();
});

/** While `store.refuses`, nothing is written. */
function createReplica(store = { refuses: false }): Gateways {
  const counted: Documents<GatewayRecord> = {
    get: (id) => documents.get(id),
    findByKey: (...args) => documents.findByKey(...args),
    list: (query) => documents.list(query),
    pendingOutbox: (...args) => documents.pendingOutbox(...args),
    pullOutbox: (...args) => documents.pullOutbox(...args),
    upgradeStored: (limit) => documents.upgradeStored(limit),
    remove: (...args) => documents.remove(...args),
    insert: (...args) => write(() => documents.insert(...args)),
    replace: (...args) => write(() => documents.replace(...args)),
  };
  async function write<T>(carryOut: () => Promise<T>): Promise<T> {
    writes += 1;
    if (store.refuses) throw new Error('the store takes nothing');
    return await carryOut();
  }
  replicas += 1;
  const logger = { ...quiet, warn: (facts: unknown) => void warnings.push(facts) } as typeof quiet;
  return createGateways({ documents: counted, clock, random: seededRandom(replicas), logger });
}

const hello = (gatewayId: string, bootId = 'boot') =>
  ({ gatewayId, bootId, adminAddress: '', epoch: '1.e', revision: 0n }) as WatchRoutesHello;

/** Time passes; everything that is due then is done. */
async function pass(ms: number, stepMs = 20): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await clock.advance(stepMs);
    for (let turns = 0; turns < 5; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** As a gateway that lives: it says every second how far it is. */
async function live(connection: GatewayConnection, ms: number, revision: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    connection.said({ epoch: '1.e', revision }, false);
    await pass(Math.min(ms, 1_000), 100);
  }
}

const listed = async (replica: Gateways) =>
  (await replica.list()).map(({ gatewayId, bootId, revision }) => `${gatewayId} ${bootId} ${revision}`);

describe('what is written about a gateway', () => {
  it('is one write in five seconds while it stays where it is, and none while it says nothing', async () => {
    const connection = createReplica().connect(hello('gw'));
    await pass(1_000);
    writes = 0;
    await live(connection, 60_000, 0);
    expect(writes).toBeGreaterThanOrEqual(60 / 5.2 - 1);
    expect(writes).toBeLessThanOrEqual(60 / 5 + 1);
    await pass(6_000, 100);
    writes = 0;
    await pass(60_000, 500);
    expect(writes).toBe(0);
  });

  it('is known to other replicas within moments when it moves, with five writes a second at most', async () => {
    const [one, other] = [createReplica(), createReplica()];
    const connection = one.connect(hello('gw'));
    await pass(10_000, 100);
    connection.said({ epoch: '1.e', revision: 7 }, false);
    expect(await listed(one)).toEqual(['gw boot 7']);
    await pass(40);
    expect((await documents.get('gw'))?.value.revision).toBe(7);
    await pass(100);
    expect(await listed(other)).toEqual(['gw boot 7']);

    writes = 0;
    for (let revision = 8; revision < 508; revision += 1) {
      connection.said({ epoch: '1.e', revision }, false);
      await pass(20);
    }
    expect(writes).toBeLessThanOrEqual(10 * 5 + 1);
    await pass(500);
    expect((await documents.get('gw'))?.value.revision).toBe(507);
  });

  it('is written when the store takes it again', async () => {
    const store = { refuses: true };
    const replica = createReplica(store);
    const connection = replica.connect(hello('gw'));
    await pass(2_000);
    connection.said({ epoch: '1.e', revision: 7 }, false);
    expect(await listed(replica)).toEqual(['gw boot 7']);
    store.refuses = false;
    await pass(500);
    expect((await documents.get('gw'))?.value.revision).toBe(7);
  });
});

describe('a gateway', () => {
  it('is listed until it says goodbye, or nothing is heard of it for fifteen seconds', async () => {
    const [one, other] = [createReplica(), createReplica()];
    const leaving = one.connect(hello('leaving'));
    const dying = one.connect(hello('dying'));
    await live(leaving, 5_000, 1);
    dying.said({ epoch: '1.e', revision: 1 }, false);
    await pass(500);
    expect(await listed(other)).toEqual(['dying boot 1', 'leaving boot 1']);
    leaving.close();
    await pass(500);
    expect(await listed(other)).toEqual(['dying boot 1']);
    await pass(13_000, 500);
    expect(await listed(other)).toEqual(['dying boot 1']);
    await pass(3_000, 500);
    expect(await listed(one)).toEqual([]);
    expect(await listed(other)).toEqual([]);
  });

  it('that went to another replica is listed as of there, though its old stream is closed later', async () => {
    const [one, other] = [createReplica(), createReplica()];
    const before = one.connect(hello('gw', 'before'));
    await live(before, 2_000, 3);
    const after = other.connect(hello('gw', 'after'));
    await live(after, 2_000, 5);
    for (const replica of [one, other]) expect(await listed(replica)).toEqual(['gw after 5']);
    before.close();
    await live(after, 2_000, 5);
    for (const replica of [one, other]) expect(await listed(replica)).toEqual(['gw after 5']);
  });

  it.each(['from its hello on', 'after a while'])(
    'that went to another replica is known as of there, though its old one could not write %s, and now can',
    async (when) => {
      const store = { refuses: when === 'from its hello on' };
      const [one, other] = [createReplica(store), createReplica()];
      const before = one.connect(hello('gw', 'before'));
      await live(before, 2_000, 3);
      store.refuses = true;
      await live(before, 2_000, 4);
      const after = other.connect(hello('gw', 'after'));
      await live(after, 2_000, 5);
      store.refuses = false;
      // Looked at all the time: what is put over it would be put right with the next write.
      for (let looks = 0; looks < 60; looks++) {
        await live(after, 100, 5);
        expect((await documents.get('gw'))?.value).toMatchObject({ bootId: 'after', revision: 5 });
      }
      for (const replica of [one, other]) expect(await listed(replica)).toEqual(['gw after 5']);
      before.close();
      await live(after, 2_000, 5);
      expect(await listed(createReplica())).toEqual(['gw after 5']);
    },
  );

  it('that went to a replica whose clock is behind is known as of there as soon as it has said more than before', async () => {
    const [one, other] = [createReplica(), createReplica()];
    const before = one.connect(hello('gw', 'before'));
    await live(before, 2_000, 3);
    // As the replica that it left wrote it by a clock that is three seconds fast.
    const stored = await documents.get('gw');
    if (stored === undefined) throw new Error('nothing was written');
    await documents.replace('gw', stored.version, { ...stored.value, lastSeenMs: stored.value.lastSeenMs + 3_000 });
    const after = other.connect(hello('gw', 'after'));
    await live(after, 5_000, 5);
    expect((await documents.get('gw'))?.value).toMatchObject({ bootId: 'after', revision: 5 });
  });

  it('that will not come back is forgotten after an hour, when another one comes', async () => {
    const replica = createReplica();
    replica.connect(hello('pod-1'));
    await pass(500);
    await pass(3_700_000, 100_000);
    expect(await documents.get('pod-1')).toBeDefined();
    replica.connect(hello('pod-2'));
    await pass(500);
    expect((await documents.list()).items.map(({ id }) => id)).toEqual(['pod-2']);
  });
});

describe('two processes with the id of one gateway', () => {
  const minutes = 60_000;
  const twinsListed = async (replica: Gateways) => (await replica.list()).map((gateway) => lastingTwin(gateway)?.bootId);

  /** All of them live. */
  async function liveTogether(connections: readonly GatewayConnection[], ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1_000) {
      for (const connection of connections) {
        connection.said({ epoch: '1.e', revision: 1 }, false);
        await pass(1_000 / connections.length, 100);
      }
    }
  }

  it.each(['at one replica', 'at two'])(
    'are told of in the log and the list when both have lived for longer than a hand-over takes, %s',
    async (where) => {
      const one = createReplica();
      const other = where === 'at one replica' ? one : createReplica();
      const both = [one.connect(hello('gw', 'boot-1')), other.connect(hello('gw', 'boot-2'))];
      await liveTogether(both, 1.5 * minutes);
      expect(warnings).toEqual([]);
      await liveTogether(both, minutes);
      expect(warnings).toHaveLength(2);
      for (const warning of warnings) {
        const { gateway, processes } = warning as { gateway: string; processes: { bootId: string }[] };
        expect([gateway, ...processes.map(({ bootId }) => bootId).sort()]).toEqual(['gw', 'boot-1', 'boot-2']);
      }
      for (const replica of [one, other, createReplica()]) {
        const [gateway] = await replica.list();
        expect([gateway?.bootId, lastingTwin(gateway as GatewayRecord)?.bootId].sort()).toEqual(['boot-1', 'boot-2']);
      }
      both[0]?.close();
      await liveTogether(both.slice(1), 20_000);
      for (const replica of [one, other]) expect(await twinsListed(replica)).toEqual([undefined]);
      await liveTogether(both.slice(1), 3 * minutes);
      expect(warnings).toHaveLength(2);
    },
  );

  it('are not told of while one takes over from the other, nor where one has died or come again by another stream', async () => {
    const [one, other] = [createReplica(), createReplica()];
    const old = one.connect(hello('gw', 'old'));
    await liveTogether([old], 5_000);
    const taking = other.connect(hello('gw', 'new'));
    await liveTogether([old, taking], 1.5 * minutes);
    old.close();
    await liveTogether([taking], 5 * minutes);
    // It dies without a word, and is begun anew.
    const reborn = one.connect(hello('gw', 'reborn'));
    await liveTogether([reborn], 5 * minutes);
    // The same process by another stream, while the old one is not noticed to be dead.
    await liveTogether([reborn, other.connect(hello('gw', 'reborn'))], 5 * minutes);
    for (const replica of [one, other]) expect(await twinsListed(replica)).toEqual([undefined]);
    expect(warnings).toEqual([]);
  });
});
