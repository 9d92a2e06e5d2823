// Sign-ups at a steady rate: which were acknowledged, and how each of those ended.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Answer, ask, type Platform } from '../stories/platform.ts';

export interface SignUpCounts {
  asked: number;
  acknowledged: number;
  /** Refused with a clear error: the caller may try again. */
  refused: number;
}

export interface Acknowledged {
  readonly tenantId: string;
  readonly operationId: string;
  readonly slug: string;
}

/** How the operations of acknowledged sign-ups stand. */
export interface Endings {
  readonly succeeded: number;
  readonly failed: number;
  readonly running: readonly string[];
  /** Acknowledged, and now unknown. */
  readonly lost: readonly string[];
}

/** As the API shows it. */
interface Operation {
  readonly state: string;
  readonly createdAt: string;
  readonly steps: readonly {
    readonly name: string;
    readonly state: string;
    readonly attempts: number;
    readonly startedAt?: string;
    readonly endedAt?: string;
    readonly error?: { readonly message: string };
  }[];
}

const ended = new Set(['succeeded', 'failed']);

export class SignUps {
  readonly #apiPort: number;
  readonly #token: string;
  readonly #acknowledged: Acknowledged[] = [];
  readonly #running = new Set<Promise<unknown>>();
  #timer: NodeJS.Timeout | undefined;
  #number = 0;
  #counts: SignUpCounts = { asked: 0, acknowledged: 0, refused: 0 };

  private constructor(apiPort: number, token: string) {
    this.#apiPort = apiPort;
    this.#token = token;
  }

  static async of(platform: Platform): Promise<SignUps> {
    const runtime = JSON.parse(await readFile(join(platform.data, 'runtime.json'), 'utf8'));
    const token = (await readFile(join(platform.data, 'secrets', 'admin-token'), 'utf8')).trim();
    return new SignUps(Number(new URL(runtime.api).port), token);
  }

  start(perSecond: number): void {
    this.#timer = setInterval(() => {
      const signing: Promise<unknown> = this.one().finally(() => this.#running.delete(signing));
      this.#running.add(signing);
    }, 1_000 / perSecond);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#running);
  }

  take(): SignUpCounts {
    const counts = this.#counts;
    this.#counts = { asked: 0, acknowledged: 0, refused: 0 };
    return counts;
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.length;
  }

  /** How those after the first `since` stand. */
  async endings(since: number): Promise<Endings> {
    let succeeded = 0;
    let failed = 0;
    const running: string[] = [];
    const lost: string[] = [];
    for (const { operationId, tenantId } of this.#acknowledged.slice(since)) {
      const answer = await this.#ask(`/v1/operations/${operationId}`);
      const tenant = await this.#ask(`/v1/tenants/${tenantId}`);
      if (answer?.status === 404 || tenant?.status === 404) lost.push(operationId);
      else if (answer?.status !== 200 || tenant?.status !== 200) running.push(`${operationId} (cannot be read)`);
      else {
        const { state } = answer.json<{ state: string }>();
        const tenantState = tenant.json<{ state: string }>().state;
        if (state === 'succeeded' && tenantState === 'active') succeeded += 1;
        else if (state === 'failed' && tenantState === 'failed') failed += 1;
        else running.push(`${operationId} ${state}, tenant ${tenantState}${ended.has(state) ? '!' : ''}`);
      }
    }
    return { succeeded, failed, running, lost };
  }

  async hasFailed(operationId: string): Promise<boolean> {
    const answer = await this.#ask(`/v1/operations/${operationId}`);
    return answer?.status === 200 && answer.json<Operation>().state === 'failed';
  }

  /** How an operation has gone until now, by the times of its steps: what a late one waited for. */
  async courseOf(operationId: string): Promise<string> {
    const answer = await this.#ask(`/v1/operations/${operationId}`);
    if (answer?.status !== 200) return `${operationId}: answered with ${answer?.status ?? 'nothing'}`;
    const { state, createdAt, steps } = answer.json<Operation>();
    const after = (time: string | undefined): string =>
      time === undefined ? '…' : ((Date.parse(time) - Date.parse(createdAt)) / 1_000).toFixed(2);
    const course = steps.map(
      ({ name, state: stepState, attempts, startedAt, endedAt, error }) =>
        `${name} ${stepState} ${after(startedAt)}–${after(endedAt)} s${attempts > 1 ? ` ×${attempts}` : ''}${error === undefined ? '' : `: ${error.message}`}`,
    );
    return `${operationId} ${state} since ${createdAt}: ${course.join(', ') || 'not taken up'}`;
  }

  /** One more now; undefined where it was not acknowledged. */
  async one(): Promise<Acknowledged | undefined> {
    const number = ++this.#number;
    const counts = this.#counts;
    counts.asked += 1;
    const answer = await this.#ask(
      '/v1/tenants',
      { company: `Fault ${number}`, plan: 'trial', owner: `owner${number}@fault.test` },
      `fault-${number}`,
    );
    if (answer?.status !== 202) {
      counts.refused += 1;
      return undefined;
    }
    counts.acknowledged += 1;
    const { tenant, operation } = answer.json<{ tenant: { id: string; slug: string }; operation: { id: string } }>();
    const acknowledged = { tenantId: tenant.id, operationId: operation.id, slug: tenant.slug };
    this.#acknowledged.push(acknowledged);
    return acknowledged;
  }

  #ask(path: string, json?: unknown, idempotencyKey?: string): Promise<Answer | undefined> {
    const headers = {
      authorization: `Bearer ${this.#token}`,
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    };
    return ask(this.#apiPort, '127.0.0.1', path, { headers, ...(json === undefined ? {} : { json }) }).catch(() => undefined);
  }
}
