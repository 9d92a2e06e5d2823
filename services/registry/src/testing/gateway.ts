// A gateway's end of WatchRoutes for tests: says what it is told to, and follows into a table.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RegistryService, WatchRoutesRequestSchema } from '@burgage/contracts';
import type { RpcClient } from '@burgage/rpc';
import { TestTable } from './table.ts';

type Said = MessageInitShape<typeof WatchRoutesRequestSchema>;

export class TestGateway {
  readonly table = new TestTable();
  readonly #queue: Said[] = [];
  readonly #gone = new AbortController();
  #ended = false;
  #wake: () => void = () => {};
  /** Resolves with what ended the stream; undefined where it ended well. */
  readonly ended: Promise<unknown>;

  constructor(client: RpcClient<typeof RegistryService>, ...first: Said[]) {
    this.#queue.push(...first);
    this.ended = this.#follow(client).then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  say(...messages: Said[]): void {
    this.#queue.push(...messages);
    this.#wake();
  }

  /** Says no more; the stream ends by itself. */
  finish(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Is gone without a word. */
  async vanish(): Promise<void> {
    this.#gone.abort();
    await this.ended;
  }

  async #follow(client: RpcClient<typeof RegistryService>): Promise<void> {
    for await (const message of client.watchRoutes(this.#said(), { signal: this.#gone.signal })) this.table.take(message);
  }

  async *#said(): AsyncGenerator<Said> {
    for (;;) {
      const next = this.#queue.shift();
      if (next !== undefined) yield next;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

export const hello = (
  gatewayId: string,
  more: { bootId?: string; adminAddress?: string; epoch?: string; revision?: bigint; seenRevision?: bigint; stamp?: string } = {},
): Said => ({
  message: { case: 'hello', value: { gatewayId, bootId: 'boot-1', adminAddress: '127.0.0.1:9302', ...more } },
});

export const applied = (epoch: string, revision: number, snapshotHeld = false): Said => ({
  message: { case: 'applied', value: { epoch, revision: BigInt(revision), snapshotHeld } },
});
