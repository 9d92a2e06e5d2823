// An operator of a platform, over the HTTP API with the admin token.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Operation, OperationAnswer } from '@burgage/api';
import { type Answer, type Platform, until } from './platform.ts';

export class Operator {
  readonly #platform: Platform;
  readonly #token: string;

  private constructor(platform: Platform, token: string) {
    this.#platform = platform;
    this.#token = token;
  }

  static async of(platform: Platform): Promise<Operator> {
    return new Operator(platform, (await readFile(join(platform.data, 'secrets', 'admin-token'), 'utf8')).trim());
  }

  async get(path: string): Promise<Answer> {
    return await this.#platform.ask('api', path, { headers: { authorization: `Bearer ${this.#token}` } });
  }

  async post(path: string, json?: object, key?: string): Promise<Answer> {
    const headers = { authorization: `Bearer ${this.#token}`, ...(key === undefined ? {} : { 'idempotency-key': key }) };
    return await this.#platform.ask('api', path, { method: 'POST', headers, json });
  }

  /** Asks for a change of a tenant: `move`, `plan`, … */
  async change(tenant: string, verb: string, body: object, key?: string): Promise<Operation> {
    const answer = await this.post(`/v1/tenants/${tenant}/${verb}`, body, key);
    if (answer.status !== 202) throw new Error(`${verb} was answered with ${answer.status}: ${answer.body}`);
    return answer.json<OperationAnswer>().operation;
  }

  async operation(id: string): Promise<Operation> {
    const answer = await this.get(`/v1/operations/${id}`);
    if (answer.status !== 200) throw new Error(`the operation was answered with ${answer.status}: ${answer.body}`);
    return answer.json<Operation>();
  }

  /** The operation once it has ended, or waits for a person. */
  async ended(id: string, timeoutMs = 60_000): Promise<Operation> {
    return await until(
      `operation ${id} ends`,
      async () => {
        const operation = await this.operation(id);
        return operation.endedAt !== undefined || operation.state === 'needs_attention' ? operation : undefined;
      },
      timeoutMs,
    );
  }
}
