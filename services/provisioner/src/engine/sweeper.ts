// Finds tenants that wait for an operation that nobody started, and starts it.
import { isBurgageError } from '@burgage/contracts';
import { type Clock, type Component, Doorbell, type Logger } from '@burgage/runtime';
import type { Tenants } from '../domain/ports.ts';

export interface SweeperOptions {
  readonly tenants: Pick<Tenants, 'requested'>;
  /** Starts the provision operation of a tenant, or finds it. */
  readonly provision: (tenantId: string) => Promise<unknown>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Between two looks when nobody rings. */
  readonly intervalMs: number;
}

/** Looks at start, whenever it is rung, and every `intervalMs`. */
export class Sweeper implements Component {
  readonly name = 'sweeper of requested tenants';
  readonly #options: SweeperOptions;
  readonly #bell: Doorbell;
  readonly #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#bell = new Doorbell(options.clock);
  }

  async start(): Promise<void> {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#bell.ring();
    await this.#loop;
  }

  /** Somebody says that a tenant was requested. */
  ring(): void {
    this.#bell.ring();
  }

  async #run(): Promise<void> {
    const { logger, intervalMs } = this.#options;
    const { signal } = this.#stopping;
    let reachable = true;
    while (!signal.aborted) {
      const rung = this.#bell.wait(intervalMs, signal);
      try {
        await this.#sweep(signal);
        reachable = true;
      } catch (error) {
        // A registry that is away is said once, not at every look.
        if (reachable && !signal.aborted) logger.warn({ err: error }, 'requested tenants cannot be looked for; trying again');
        reachable = false;
      }
      await rung;
    }
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    const { tenants, provision, logger } = this.#options;
    for await (const tenantId of tenants.requested(signal)) {
      try {
        await provision(tenantId);
      } catch (error) {
        if (isBurgageError(error, 'unavailable')) throw error;
        logger.error({ err: error, tenantId }, 'the provision operation of a requested tenant could not be started');
      }
    }
  }
}
