// Shares of limits over several replicas: what they cost, and who gets them when gateways come, go and are cut off.
import { LimitKind, type LimitShares as LimitSharesMessage } from '@burgage/contracts';
import { ManualClock } from '@burgage/runtime';
import type { Documents } from '@burgage/store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limitLedgerType } from './adapters/documents.ts';
import { inForce, inForceMax, type LimitLedger, whole } from './domain/limit-ledger.ts';
import type { ConnectedGateway } from './gateways.ts';
import { createLimitShares, type LimitShares, ledgerId, type SharesConversation } from './limit-shares.ts';
import { quiet, type TestFolder, testFolder } from './testing/registry.ts';

let folder: TestFolder;
let documents: Documents<LimitLedger>;
let clock: ManualClock;
let writes: number;
/** Connected to any replica. */
let connected: Set<string>;
const closers: (() => Promise<void>)[] = [];

beforeEach(async () => {
  folder = await testFolder();
  const store = await folder.openStore();
  closers.push(() => store.close());
  documents = store.documents(limitLedgerType);
  clock = new ManualClock();
  writes = 0;
  connected = new Set();
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await folder.remove();
});

async function startReplica(): Promise<LimitShares> {
  const counted = new Proxy(documents, {
    get(target, name) {
      if (name === 'insert' || name === 'replace') writes += 1;
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  const gateways = { list: async () => [...connected].map((gatewayId) => ({ gatewayId }) as ConnectedGateway) };
  const replica = createLimitShares({ documents: counted, gateways, clock, logger: quiet });
  await replica.start();
  closers.push(() => replica.stop());
  return replica;
}

/** A gateway's end: keeps to what it is told, and says so at once. */
class Gateway {
  told: Omit<LimitSharesMessage, '$typeName'> | undefined;
  messages = 0;
  wanted: Readonly<Record<string, number>> = {};
  readonly #conversation: SharesConversation;
  readonly #id: string;

  constructor(replica: LimitShares, id: string) {
    this.#id = id;
    connected.add(id);
    this.#conversation = replica.connect(id, () => {
      this.told = this.#conversation.take() ?? this.told;
      this.messages += 1;
      this.say();
    });
  }

  say(): void {
    const demands = Object.entries(this.wanted).map(([tenantId, wantedPpm]) => {
      return { $typeName: 'burgage.registry.v1.LimitDemand' as const, tenantId, kind: LimitKind.RATE, wantedPpm, inUsePpm: 0 };
    });
    this.#conversation.said({ sharesSequence: this.told?.sequence ?? 0n, demands });
  }

  want(wanted: Readonly<Record<string, number>>): void {
    this.wanted = wanted;
    this.say();
  }

  share(tenantId: string): number | undefined {
    return this.told?.shares.find((share) => share.tenantId === tenantId)?.sharePpm ?? this.told?.evenPpm;
  }

  leave(): void {
    this.#conversation.close();
    connected.delete(this.#id);
  }
}

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    await clock.advance(50);
    for (let turns = 0; turns < 3; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('what shares cost', () => {
  it('is one write when a gateway comes that is alone, and nothing from then on', async () => {
    const gateway = new Gateway(await startReplica(), 'gw-1');
    await pass(2_000);
    expect(gateway.told).toMatchObject({ gateways: 1, evenPpm: whole, shares: [] });
    const settled = { writes, messages: gateway.messages };
    expect(settled.writes).toBeLessThanOrEqual(1);
    await pass(30_000);
    expect({ writes, messages: gateway.messages }).toEqual(settled);
  });

  it('is no write and no message while nobody comes near to a limit, and while demand stays as it is', async () => {
    const [one, other] = [await startReplica(), await startReplica()];
    const gateways = [new Gateway(one, 'gw-1'), new Gateway(one, 'gw-2'), new Gateway(other, 'gw-3')];
    await pass(5_000);
    for (const gateway of gateways) expect(gateway.told).toMatchObject({ gateways: 3, evenPpm: Math.floor(whole / 3) });
    writes = 0;
    await pass(20_000);
    expect(writes).toBe(0);
    gateways[0]?.want({ ten_1: whole });
    await pass(5_000);
    expect(gateways[0]?.share('ten_1')).toBe(whole);
    writes = 0;
    for (let second = 0; second < 20; second++) {
      for (const gateway of gateways) gateway.say();
      await pass(1_000);
    }
    expect(writes).toBe(0);
  });
});

describe('shares', () => {
  it('follow demand from one replica to another within three seconds', async () => {
    const [one, other] = [await startReplica(), await startReplica()];
    const [first, second] = [new Gateway(one, 'gw-1'), new Gateway(other, 'gw-2')];
    await pass(3_000);
    first.want({ ten_1: whole });
    await pass(3_000);
    expect(first.share('ten_1')).toBe(whole);
    first.want({ ten_1: 0 });
    second.want({ ten_1: whole });
    await pass(3_000);
    expect(second.share('ten_1')).toBe(whole);
    expect(first.share('ten_1')).toBeLessThan(whole / 10);
    expect(first.share('ten_2')).toBe(whole / 2);
  });

  it('of a gateway that went are given to others when it must have fallen back, and not when it only changed replicas', async () => {
    const [one, other] = [await startReplica(), await startReplica()];
    const [first, second] = [new Gateway(one, 'gw-1'), new Gateway(other, 'gw-2')];
    await pass(3_000);
    second.leave();
    await pass(5_000);
    const again = new Gateway(one, 'gw-2');
    await pass(20_000);
    expect([first.told?.evenPpm, again.told?.evenPpm]).toEqual([whole / 2, whole / 2]);
    again.leave();
    await pass(10_000);
    expect(first.told?.evenPpm).toBe(whole / 2);
    await pass(5_000);
    expect(first.told).toMatchObject({ gateways: 1, evenPpm: whole });
  });

  it('are not given on while the gateway that has them has not said that it keeps to less', async () => {
    const replica = await startReplica();
    const mute = replica.connect('gw-1', () => {});
    connected.add('gw-1');
    await pass(1_000);
    const second = new Gateway(replica, 'gw-2');
    await pass(5_000);
    expect(second.told?.evenPpm).toBeLessThanOrEqual(inForceMax - whole);
    mute.said({ sharesSequence: 2n, demands: [] });
    await pass(1_000);
    expect(second.told?.evenPpm).toBe(whole / 2);
  });

  it('of more limits than a gateway may name, or of what is no limit, are even', async () => {
    const replica = await startReplica();
    const gateways = [new Gateway(replica, 'gw-1'), new Gateway(replica, 'gw-2')];
    await pass(2_000);
    gateways[0]?.want(Object.fromEntries([['no tenant', whole], ...Array.from({ length: 300 }, (_, index) => [`ten_${index}`, whole])]));
    await pass(3_000);
    const { value } = (await documents.get(ledgerId)) ?? {};
    expect(Object.keys(value?.limits ?? {}).length).toBeLessThanOrEqual(200);
    expect(Object.keys(value?.limits ?? {}).every((name) => name.startsWith('rate ten_'))).toBe(true);
    expect(gateways[0]?.share('ten_299')).toBe(whole / 2);
    for (const claims of Object.values(value?.limits ?? {})) expect(inForce(claims)).toBeLessThanOrEqual(inForceMax);
  });
});
