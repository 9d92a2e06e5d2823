// Operations as they are asked for: what the tenant's state allows is decided here, and written once for each request.
import { BurgageError, invalidField } from '@burgage/contracts';
import type { Clock } from '@burgage/runtime';
import type { Json } from '@burgage/store';
import { got, holds, isHold, isIsolation, isolations, operationIdFor, operationIdFromKey } from '@burgage/tenancy';
import { pointOfNoReturnOf } from './domain/definition.ts';
import {
  canCancel,
  canRetry,
  createOperation,
  isOver,
  isPastReturn,
  type Operation,
  type OperationKind,
  transition,
} from './domain/operation.ts';
import { checkChangePlan } from './domain/operations/change-plan.ts';
import { checkResume, checkSuspend } from './domain/operations/holds.ts';
import { type AnyDefinition, newestOf } from './domain/operations/index.ts';
import { frozenTenant, notAllowed } from './domain/operations/kit.ts';
import { moveFrom } from './domain/operations/move.ts';
import type { TenantStanding, Tenants } from './domain/ports.ts';
import { operationIn, withQueued } from './domain/tenant-operations.ts';
import type { OperationRepository } from './engine/repository.ts';
import type { ProvisionerMetrics } from './metrics.ts';

const dayMs = 24 * 60 * 60 * 1_000;
/** Operations that may wait for one tenant: more is a mistake of whoever asks. */
const queueMax = 20;

export interface OperationsOptions {
  readonly repository: OperationRepository;
  readonly tenants: Tenants;
  readonly definitions: readonly AnyDefinition[];
  readonly clock: Clock;
  readonly metrics: ProvisionerMetrics;
  /** False where nobody gets anything of their own. */
  readonly dedicated: boolean;
}

/** Whoever asks again with the same key is given the operation of the first time. */
export interface Asked {
  /** Id or slug. */
  readonly tenant: string;
  readonly key: string;
}

/**
 * Every starting call refuses what the tenant's state does not allow now. Operations in its queue may change that until it
 * is this one's turn; so the operation looks again when it begins.
 *
 * @throws BurgageError `tenant_not_found`, `transition_not_allowed`, `invalid_argument`, `idempotency_key_reused`.
 */
export class Operations {
  readonly #options: OperationsOptions;

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  /** The first operation of a requested tenant; its id comes from the tenant's. */
  async provision(tenantId: string): Promise<Operation> {
    const { repository, tenants } = this.#options;
    const id = operationIdFor('provision', tenantId);
    const known = await repository.find(tenantId, id);
    if (known) return known;
    const tenant = await tenants.get(tenantId);
    if (tenant.state !== 'requested') {
      // The sweep may have been faster between the two looks.
      const started = await repository.find(tenantId, id);
      if (started) return started;
      throw notAllowed(`tenant ${tenantId} is ${tenant.state}, expected requested: only then can it be provisioned.`, {
        state: tenant.state,
      });
    }
    return await this.#start('provision', id, tenant, { tenant: frozenTenant(tenant) }, '');
  }

  async suspend(asked: Asked, hold: string): Promise<Operation> {
    const wanted = holdOf(hold);
    return await this.#once('suspend', asked, { hold }, (tenant) => {
      checkSuspend(active(tenant, 'suspended'), wanted);
      return { input: { tenantId: tenant.id, hold: wanted }, summary: `hold ${wanted}` };
    });
  }

  async resume(asked: Asked, hold: string): Promise<Operation> {
    const wanted = holdOf(hold);
    return await this.#once('resume', asked, { hold }, (tenant) => {
      checkResume(active(tenant, 'resumed'), wanted);
      return { input: { tenantId: tenant.id, hold: wanted }, summary: `hold ${wanted}` };
    });
  }

  /** @throws BurgageError `unknown_plan` besides. */
  async changePlan(asked: Asked, plan: string): Promise<Operation> {
    return await this.#once('change_plan', asked, { plan }, async (tenant) => {
      await this.#options.tenants.checkPlan(tenant.id, plan);
      checkChangePlan(active(tenant, 'put on another plan'), plan);
      return { input: { tenantId: tenant.id, plan }, summary: `${tenant.plan} → ${plan}` };
    });
  }

  async move(asked: Asked, isolation: string): Promise<Operation> {
    if (!isIsolation(isolation)) throw invalidField('isolation', `${got(isolation)}, expected ${isolations.join(', ')}`);
    return await this.#once('move', asked, { isolation }, async (tenant) => {
      if (isolation !== 'pool' && !this.#options.dedicated) {
        const description = `${got(isolation)}, expected pool: dedicated instances are switched off on this platform`;
        throw new BurgageError('dedicated_off', { message: `isolation: ${description}`, fields: [{ field: 'isolation', description }] });
      }
      const from = moveFrom(active(tenant, 'moved'), await this.#options.repository.waiting(tenant.id), isolation);
      return { input: { tenant: frozenTenant(tenant), from, to: isolation }, summary: `${from} → ${isolation}` };
    });
  }

  /** `confirm` repeats the tenant's slug. @throws BurgageError `confirmation_missing` besides. */
  async terminate(asked: Asked, now: boolean, confirm: string): Promise<Operation> {
    return await this.#once('terminate', asked, { now }, (tenant) => {
      active(tenant, 'terminated');
      if (confirm !== tenant.slug) {
        const description = `${got(confirm)}, expected the tenant's slug ${JSON.stringify(tenant.slug)}: it is removed for good`;
        throw new BurgageError('confirmation_missing', { message: `confirm: ${description}`, fields: [{ field: 'confirm', description }] });
      }
      const notBefore = new Date(this.#options.clock.now().getTime() + (now ? 0 : tenant.graceDays * dayMs)).toISOString();
      return { input: { tenant: frozenTenant(tenant), notBefore }, summary: now ? 'at once' : `after ${tenant.graceDays} days` };
    });
  }

  /** Has it undone. @throws BurgageError `operation_not_found`, `cancel_too_late`. */
  async cancel(operationId: string): Promise<Operation> {
    return await this.#change(operationId, (operation) => {
      if (operation.cancelledAt) return undefined;
      if (!canCancel(operation)) {
        const why = isOver(operation)
          ? `it has ended: ${operation.state}`
          : isPastReturn(operation)
            ? `its step ${operation.steps[operation.pointOfNoReturn]?.name} has begun, and from there on it only goes forward`
            : 'it is being undone already';
        throw new BurgageError('cancel_too_late', {
          message: `Operation ${operation.id} cannot be cancelled: ${why}.`,
          metadata: { state: operation.state },
        });
      }
      return { type: 'cancel_requested' };
    });
  }

  /** Has it go on at once. @throws BurgageError `operation_not_found`, `retry_not_possible`. */
  async retry(operationId: string): Promise<Operation> {
    return await this.#change(operationId, (operation) => {
      if (canRetry(operation)) return { type: 'retry_requested' };
      const why = isOver(operation)
        ? `it has ended: ${operation.state}`
        : `it is ${operation.state} and waits for nothing that trying again would end`;
      throw new BurgageError('retry_not_possible', {
        message: `Operation ${operation.id} cannot be tried again: ${why}.`,
        metadata: { state: operation.state },
      });
    });
  }

  async #change(
    operationId: string,
    decide: (operation: Operation) => { readonly type: 'cancel_requested' | 'retry_requested' } | undefined,
  ): Promise<Operation> {
    const { repository, clock } = this.#options;
    const known = operationId === '' ? undefined : await repository.get(operationId);
    if (!known) {
      throw new BurgageError('operation_not_found', {
        message: `There is no operation ${operationId || '""'}.`,
        metadata: { operation: operationId },
      });
    }
    let changed = known;
    await repository.change(known.tenantId, (value) => {
      const operation = operationIn(value, operationId) ?? known;
      const event = decide(operation);
      changed = operation;
      if (!event) return undefined;
      const at = clock.now().toISOString();
      changed = transition(operation, event, at);
      return { value: withQueued(value, changed, at), outbox: repository.consequencesOf(operation, changed) };
    });
    return changed;
  }

  async #once(
    kind: OperationKind,
    { tenant: idOrSlug, key }: Asked,
    request: Json,
    decide: (tenant: TenantStanding) => Promise<{ input: Json; summary: string }> | { input: Json; summary: string },
  ): Promise<Operation> {
    if (!/^[\x21-\x7e]{1,255}$/.test(key)) throw invalidField('idempotency_key', `${got(key)}, expected 1 to 255 visible characters`);
    const { repository, tenants } = this.#options;
    const tenant = await tenants.get(idOrSlug);
    const id = operationIdFromKey(kind, tenant.id, key);
    const known = await repository.find(tenant.id, id);
    if (known) return sameRequest(known, request);
    const decided = await decide(tenant);
    return sameRequest(await this.#start(kind, id, tenant, decided.input, decided.summary, request), request);
  }

  async #start(kind: OperationKind, id: string, tenant: TenantStanding, input: Json, summary: string, request?: Json): Promise<Operation> {
    const { repository, definitions, clock, metrics } = this.#options;
    const definition = newestOf(definitions, kind);
    const at = clock.now();
    const operation = createOperation(
      {
        id,
        kind,
        definitionVersion: definition.version,
        tenantId: tenant.id,
        tenantSlug: tenant.slug,
        input,
        summary,
        ...(request === undefined ? {} : { request }),
        steps: definition.steps.map((step) => step.name),
        pointOfNoReturn: pointOfNoReturnOf(definition),
        ...(definition.deadlineMs === undefined ? {} : { deadlineAt: new Date(at.getTime() + definition.deadlineMs).toISOString() }),
      },
      at.toISOString(),
    );
    const started = await repository.enqueue(operation, (waiting) => {
      if (waiting.length < queueMax) return;
      throw notAllowed(`The tenant has ${waiting.length} operations waiting; ask again when some of them have ended.`);
    });
    metrics.operationsStarted.inc({ kind });
    return started;
  }
}

function active(tenant: TenantStanding, wanted: string): TenantStanding {
  if (tenant.state === 'active') return tenant;
  throw notAllowed(`The tenant is ${tenant.state}; only an active one can be ${wanted}.`, { state: tenant.state });
}

function holdOf(text: string) {
  if (isHold(text)) return text;
  throw invalidField('hold', `${got(text)}, expected ${holds.join(', ')}`);
}

/** @throws BurgageError `idempotency_key_reused` where the operation was asked for with something else. */
function sameRequest(operation: Operation, request: Json): Operation {
  if (JSON.stringify(operation.request) === JSON.stringify(request)) return operation;
  const description = `was used for operation ${operation.id} with ${JSON.stringify(operation.request)}; got ${JSON.stringify(request)}`;
  throw new BurgageError('idempotency_key_reused', {
    message: `idempotency_key: ${description}`,
    fields: [{ field: 'idempotency_key', description }],
  });
}
