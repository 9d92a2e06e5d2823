// A registry, its gateways and the wires between them, in a folder of their own: what happens to them, and how it has to end.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isBurgageError } from '@burgage/contracts';
import { type Random, seededRandom } from '@burgage/runtime';
import { fastClock } from './fast-clock.ts';
import { RegistryWrites } from './registry-writes.ts';
import { difference, shownIn, truthOf } from './route-log.ts';
import { type ReplicaName, WatchedRegistry } from './watched-registry.ts';
import { WatchingGateway } from './watching-gateway.ts';
import { Wire } from './wire.ts';

/** Heads and acks come ten times a second, a silent registry is given up after a second or less. */
const clockFactor = 10;
/** How long everything may take to become equal once nothing goes wrong any more; a bound for a machine that is busy. */
const settleMsMax = 20_000;

/** What was promised and not kept. */
export class Violation extends Error {}

export class WatchedWorld {
  /** For the choice of steps and nothing else, so that a seed gives the same steps. */
  readonly random: Random;
  /** For everything that goes on beside the steps. */
  readonly noise: Random;
  readonly registry: WatchedRegistry;
  readonly writes: RegistryWrites;
  readonly gateways: readonly WatchingGateway[];
  readonly #folder: string;
  readonly #violations: string[];

  private constructor(parts: {
    random: Random;
    noise: Random;
    registry: WatchedRegistry;
    gateways: readonly WatchingGateway[];
    folder: string;
    violations: string[];
  }) {
    this.random = parts.random;
    this.noise = parts.noise;
    this.registry = parts.registry;
    this.gateways = parts.gateways;
    this.#folder = parts.folder;
    this.#violations = parts.violations;
    this.writes = new RegistryWrites(parts.registry, parts.noise, (sentence) => parts.violations.push(sentence));
  }

  static async open(seed: number, gatewayCount: number): Promise<WatchedWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'burgage-watch-'));
    const noise = seededRandom(seed + 1);
    const clock = fastClock(clockFactor);
    const violations: string[] = [];
    const registry = await WatchedRegistry.open({ folder, clock, random: noise, violated: (sentence) => violations.push(sentence) });
    const gateways: WatchingGateway[] = [];
    for (let index = 0; index < gatewayCount; index++) {
      const name = `gateway-${index}`;
      const wire = await Wire.open(join(folder, `${name}.sock`), registry.socketOf(index % 2 === 0 ? 'leading' : 'lagging'));
      const tableFile = join(folder, name, 'routes.table');
      const violated = (sentence: string): unknown => violations.push(sentence);
      const gateway = new WatchingGateway({ name, tableFile, wire, log: registry.log, clock, random: noise, violated });
      gateways.push(gateway);
      await gateway.start();
    }
    return new WatchedWorld({ random: seededRandom(seed), noise, registry, gateways, folder, violations });
  }

  async close(): Promise<void> {
    for (const gateway of this.gateways) {
      await gateway.end('killed');
      await gateway.wire.close();
    }
    await this.writes.settled();
    await this.registry.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Throws what was violated so far. */
  check(): void {
    for (const gateway of this.gateways) gateway.look();
    if (this.#violations.length > 0) throw new Violation(this.#violations.slice(0, 5).join('\n'));
  }

  leadTo(gateway: WatchingGateway, replica: ReplicaName): void {
    gateway.wire.leadTo(this.registry.socketOf(replica));
  }

  async restore(): Promise<void> {
    await this.writes.settled();
    await this.registry.restore();
    this.writes.forget();
  }

  /** Ends every fault. */
  async mend(): Promise<void> {
    this.registry.faults.relay = 'works';
    this.registry.faults.beforeRead = async () => {};
    this.registry.catchUp();
    for (const { wire } of this.gateways) wire.mend();
    await this.writes.settled();
  }

  /** Nothing is left to be relayed, and every gateway has the registry's head or holds a snapshot back. */
  async quiet(): Promise<void> {
    await this.until('every write is in the journal', () => this.#relayed());
    for (const gateway of this.gateways) await this.until(`${gateway.name} has the head`, () => this.#atHead(gateway));
  }

  /** Every fault mended and every held snapshot accepted, each gateway shows what the documents say. */
  async settle(): Promise<void> {
    await this.mend();
    do await this.quiet();
    while (this.gateways.filter((gateway) => gateway.accept()).length > 0);
    this.check();
    const truth = shownIn((await truthOf(this.registry.documents)).values());
    for (const { name, follower } of this.gateways) {
      const differs = difference(shownIn(follower.table.entries()), truth);
      if (differs !== undefined) throw new Violation(`${name} ended with another table: ${differs}`);
    }
    await this.until('the registry knows how far each gateway is', () => this.#listed());
  }

  async until(what: string, done: () => Promise<boolean>): Promise<void> {
    const endsAtMs = performance.now() + settleMsMax;
    while (!(await done())) {
      this.check();
      if (performance.now() > endsAtMs) throw new Violation(`not within ${settleMsMax} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async #relayed(): Promise<boolean> {
    const { upstreams, tenants, platformRoutes, hosts } = this.registry.documents;
    for (const documents of [upstreams, tenants, platformRoutes, hosts]) {
      if ((await documents.pendingOutbox(1)).length > 0) return false;
    }
    return true;
  }

  async #atHead({ follower }: WatchingGateway): Promise<boolean> {
    const { epoch, revision } = await this.registry.routes.head();
    return follower.snapshotHeld || (follower.caughtUp && follower.position.epoch === epoch && follower.position.revision === revision);
  }

  /** By both replicas. */
  async #listed(): Promise<boolean> {
    const { epoch, revision } = await this.registry.routes.head();
    for (const replica of ['leading', 'lagging'] as const) {
      const listed = await this.registry.listGateways(replica).catch((error: unknown) => {
        // The client may not have found a replica again that was restarted.
        if (!isBurgageError(error, 'unavailable')) throw error;
        return [];
      });
      const isKnown = ({ name }: WatchingGateway): boolean => {
        const gateway = listed.find(({ gatewayId }) => gatewayId === name);
        return gateway?.epoch === epoch && gateway.appliedRevision === BigInt(revision) && !gateway.snapshotHeld;
      };
      if (!this.gateways.every(isKnown)) return false;
    }
    return true;
  }
}
