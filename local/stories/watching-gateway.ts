// A gateway as far as its routes go: it watches, keeps its table on disk, is killed and started again, and is looked at all the time.
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { RegistryService } from '@burgage/contracts';
import { RouteFollower } from '@burgage/gateway/route-follower';
import { RouteNames, RouteTable } from '@burgage/gateway/route-table';
import { createRouteWatch, type OpenRoutes, type RouteWatch, routesOf, type Said } from '@burgage/gateway/route-watch';
import { createTableFile, loadTable, type TableFile } from '@burgage/gateway/table-file';
import { createRpcClient } from '@burgage/rpc';
import { type Clock, createLogger, type Random } from '@burgage/runtime';
import type { RoutesHeard } from '@burgage/tenancy';
import type { RouteLog } from './route-log.ts';
import { type Cause, ShownRoutes } from './shown-routes.ts';
import type { Wire } from './wire.ts';

const logger = createLogger({ service: 'gateway', level: 'silent' });

/** What the next start finds: the file as it was, part of it, or none. */
export type Disk = 'kept' | 'cut off' | 'lost';

export interface WatchingGatewayOptions {
  readonly name: string;
  readonly tableFile: string;
  readonly wire: Wire;
  readonly log: RouteLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly violated: (sentence: string) => void;
}

interface Running {
  readonly follower: RouteFollower;
  readonly shown: ShownRoutes;
  readonly watch: RouteWatch;
  readonly file: TableFile;
  close(): Promise<void>;
}

export class WatchingGateway {
  readonly name: string;
  readonly wire: Wire;
  readonly #options: WatchingGatewayOptions;
  readonly #violated: (sentence: string) => void;
  #running: Running | undefined;
  #boots = 0;
  #conversations = 0;
  #accepted = 0;

  constructor(options: WatchingGatewayOptions) {
    this.name = options.name;
    this.wire = options.wire;
    this.#options = options;
    this.#violated = (sentence) => options.violated(`${options.name} ${sentence}`);
  }

  get follower(): RouteFollower {
    if (this.#running === undefined) throw new Error(`${this.name} does not run`);
    return this.#running.follower;
  }

  /** How many it has begun. */
  get conversations(): number {
    return this.#conversations;
  }

  /** Put together as the gateway's service does it. */
  async start(disk: Disk = 'kept'): Promise<void> {
    const { tableFile, wire, log, clock, random } = this.#options;
    const names = new RouteNames(random);
    const follower = new RouteFollower(new RouteTable(names));
    const shown = new ShownRoutes(follower, log, this.#violated);
    const loaded = await loadTable(tableFile, names, clock);
    if (disk === 'cut off' && loaded.kind === 'loaded') this.#violated('took a table that was cut off');
    if (disk === 'kept' && loaded.kind === 'set-aside') this.#violated(`set its own table aside: ${loaded.error.message}`);
    if (loaded.kind === 'loaded') follower.restore(loaded.table, loaded.position);
    shown.look('start');
    const file = createTableFile({
      file: tableFile,
      current: () => ({ table: follower.table, position: follower.position }),
      clock,
      logger,
    });
    const client = createRpcClient(RegistryService, { address: wire.address });
    const watch = createRouteWatch({
      open: this.#lookedAt(routesOf(client), shown),
      follower,
      gatewayId: this.name,
      bootId: `boot-${++this.#boots}`,
      adminAddress: () => '',
      logger,
      clock,
      random,
      onChange: (change) => {
        if (change === 'advanced' || change === 'swapped') file.changed();
      },
    });
    this.#running = { follower, shown, watch, file, close: () => client.close() };
    await file.start();
    await watch.start();
  }

  /** Stopped, it saves what it has; killed, the file stays as it was at that moment. */
  async end(how: 'stopped' | 'killed'): Promise<void> {
    const { tableFile } = this.#options;
    const running = this.#running;
    this.#running = undefined;
    if (running === undefined) return;
    const left = await readFile(tableFile).catch(() => undefined);
    await running.watch.stop();
    await running.file.stop();
    await running.close();
    if (how === 'stopped') return;
    if (left === undefined) await rm(tableFile, { force: true });
    else await writeFile(tableFile, left);
    await writeFile(`${tableFile}.tmp`, 'half a table');
  }

  async restart(how: 'stopped' | 'killed', disk: Disk): Promise<void> {
    const { tableFile, random } = this.#options;
    await this.end(how);
    const bytes = await readFile(tableFile).catch(() => Buffer.alloc(0));
    if (disk === 'lost') await rm(tableFile, { force: true });
    if (disk === 'cut off' && bytes.length > 0) await truncate(tableFile, Math.floor(random.float() * bytes.length));
    await this.start(disk);
  }

  /** As an operator does who was told that a snapshot is held. */
  accept(): boolean {
    const running = this.#running;
    if (!running?.follower.acceptSnapshot()) return false;
    this.#accepted += 1;
    running.shown.look('accepted');
    running.file.changed();
    running.watch.ack();
    return true;
  }

  look(): void {
    this.#running?.shown.look('nothing');
  }

  /** Looks at the table after everything that is heard and before everything that is said. */
  #lookedAt(open: OpenRoutes, shown: ShownRoutes): OpenRoutes {
    const begin = (): ((refused: RoutesHeard) => void) => {
      this.#conversations += 1;
      const acceptedBefore = this.#accepted;
      return (message) => {
        // After an operator's word in the middle of it, a stream may speak of what is no longer served.
        if (this.#accepted === acceptedBefore) this.#violated(`would not take ${message.case}`);
      };
    };
    async function* said(requests: AsyncIterable<Said>): AsyncGenerator<Said> {
      for await (const request of requests) {
        const { epoch = '', revision = 0n } = request.message?.value ?? {};
        shown.acknowledged(epoch, Number(revision));
        yield request;
      }
    }
    return async function* (requests, options) {
      const whenRefused = begin();
      for await (const message of open(said(requests), options)) {
        let taken = false;
        try {
          yield message;
          taken = true;
        } finally {
          if (!taken) whenRefused(message);
        }
        shown.look(causeOf(message));
        if (message.case === 'head') shown.told(message.value.epoch, Number(message.value.revision));
      }
    };
  }
}

function causeOf(message: RoutesHeard): Cause {
  if (message.case === 'snapshotEnd') return 'snapshot';
  return message.case === 'batch' && message.value.revision > 0 ? 'entries' : 'nothing';
}
