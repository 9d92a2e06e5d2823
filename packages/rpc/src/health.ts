// The gRPC health checking protocol (grpc.health.v1) of one server.
import { BurgageError } from '@burgage/contracts';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '@burgage/contracts/wire';
import { implement, type RpcImplementation } from './implement.ts';

/** Knows which services serve, and tells those who watch. The empty name stands for the server as a whole. */
export class HealthStatus {
  readonly #serving = new Map<string, boolean>();
  #change = Promise.withResolvers<void>();
  #closed = false;

  set(service: string, serving: boolean): void {
    if (this.#closed) return;
    this.#serving.set(service, serving);
    this.#announce();
  }

  /** From now on nothing serves, for good. */
  close(): void {
    this.#closed = true;
    for (const service of this.#serving.keys()) this.#serving.set(service, false);
    this.#announce();
  }

  implementation(): RpcImplementation {
    return implement(Health, {
      check: async ({ service }) => {
        const status = this.#statusOf(service);
        if (status === ServingStatus.SERVICE_UNKNOWN) {
          throw new BurgageError('not_found', { message: `service: ${JSON.stringify(service)} is not served here.` });
        }
        return { status };
      },
      watch: ({ service }, { signal }) => this.#watch(service, signal),
    });
  }

  async *#watch(service: string, signal: AbortSignal) {
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    let sent: ServingStatus | undefined;
    for (;;) {
      const change = this.#change.promise;
      const status = this.#statusOf(service);
      if (status !== sent) {
        sent = status;
        yield { status };
      }
      if (signal.aborted) return;
      await Promise.race([change, aborted]);
    }
  }

  #statusOf(service: string): ServingStatus {
    const serving = this.#serving.get(service);
    if (serving === undefined) return ServingStatus.SERVICE_UNKNOWN;
    return serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  #announce(): void {
    const change = this.#change;
    this.#change = Promise.withResolvers<void>();
    change.resolve();
  }
}
