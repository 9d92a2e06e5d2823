// The gRPC handlers of the provisioner: translate, ask, translate back.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  BurgageError,
  invalidField,
  type OperationErrorSchema,
  type OperationSchema,
  OperationState,
  ProgressSchema,
  ProvisionerService,
  StepState,
} from '@burgage/contracts';
import { implement, type RpcImplementation } from '@burgage/rpc';
import {
  type Failure,
  hasEnded,
  isPastReturn,
  type Operation,
  type ProgressEntry,
  type StepRecord,
  sequenceOf,
} from './domain/operation.ts';
import type { OperationRepository } from './engine/repository.ts';
import type { Operations } from './operations.ts';
import type { Possessions } from './possessions.ts';

export interface ProvisionerHandlersOptions {
  readonly repository: OperationRepository;
  readonly operations: Operations;
  readonly possessions: Possessions;
}

const pageSizeDefault = 50;
const pageSizeMax = 500;
/** Between two looks at an operation that another process may be working on. */
const watchPollMs = 100;

export function provisionerHandlers({ repository, operations, possessions }: ProvisionerHandlersOptions): RpcImplementation {
  async function find(operationId: string): Promise<Operation> {
    const operation = operationId === '' ? undefined : await repository.get(operationId);
    if (!operation) {
      throw new BurgageError('operation_not_found', {
        message: `There is no operation ${operationId || '""'}.`,
        metadata: { operation: operationId },
      });
    }
    return operation;
  }

  return implement(ProvisionerService, {
    async provisionTenant({ tenantId }) {
      if (tenantId === '') throw invalidField('tenant_id', 'is empty, expected the id of a tenant');
      return { operation: operationInit(await operations.provision(tenantId)) };
    },
    async suspendTenant({ tenantId, idempotencyKey, hold }) {
      return { operation: operationInit(await operations.suspend(asked(tenantId, idempotencyKey), hold)) };
    },
    async resumeTenant({ tenantId, idempotencyKey, hold }) {
      return { operation: operationInit(await operations.resume(asked(tenantId, idempotencyKey), hold)) };
    },
    async changeTenantPlan({ tenantId, idempotencyKey, plan }) {
      return { operation: operationInit(await operations.changePlan(asked(tenantId, idempotencyKey), plan)) };
    },
    async moveTenant({ tenantId, idempotencyKey, isolation }) {
      return { operation: operationInit(await operations.move(asked(tenantId, idempotencyKey), isolation)) };
    },
    async terminateTenant({ tenantId, idempotencyKey, now, confirm }) {
      return { operation: operationInit(await operations.terminate(asked(tenantId, idempotencyKey), now, confirm)) };
    },
    async cancelOperation({ operationId }) {
      return { operation: operationInit(await operations.cancel(operationId)) };
    },
    async retryOperation({ operationId }) {
      return { operation: operationInit(await operations.retry(operationId)) };
    },
    async listPossessions({ tenantId, orphans }, { signal }) {
      return { possessions: [...(await possessions.list({ tenantId, orphans }, signal))] };
    },
    async deleteOrphans({ ids }, { signal }) {
      return await possessions.deleteOrphans(ids, signal);
    },
    async getOperation({ operationId }) {
      return { operation: operationInit(await find(operationId)) };
    },
    async listOperations({ pageSize, pageToken, tenantId }) {
      if (pageSize > pageSizeMax) throw invalidField('page_size', `got ${pageSize}, expected 1 to ${pageSizeMax}`);
      const page = await repository.list({
        pageSize: pageSize || pageSizeDefault,
        ...(pageToken ? { cursor: pageToken } : {}),
        ...(tenantId ? { tenantId } : {}),
      });
      return { operations: page.operations.map(operationInit), nextPageToken: page.nextCursor ?? '' };
    },
    async *watchOperation({ operationId, afterSequence }, { signal }) {
      let seen = Number(afterSequence);
      while (!signal.aborted) {
        const changed = repository.changed.wait(watchPollMs, signal);
        const operation = await find(operationId);
        for (const entry of operation.log) {
          if (entry.sequence <= seen) continue;
          seen = entry.sequence;
          yield { progress: create(ProgressSchema, progressInit(operation.id, entry)) };
        }
        if (hasEnded(operation) && seen >= sequenceOf(operation)) return;
        await changed;
      }
    },
  });
}

function asked(tenantId: string, key: string): { tenant: string; key: string } {
  if (tenantId === '') throw invalidField('tenant_id', 'is empty, expected the id of a tenant');
  return { tenant: tenantId, key };
}

const operationStates = {
  queued: OperationState.QUEUED,
  running: OperationState.RUNNING,
  undoing: OperationState.UNDOING,
  succeeded: OperationState.SUCCEEDED,
  failed: OperationState.FAILED,
  cancelled: OperationState.CANCELLED,
  needs_attention: OperationState.NEEDS_ATTENTION,
} as const satisfies Record<Operation['state'], OperationState>;

const stepStates = {
  pending: StepState.PENDING,
  running: StepState.RUNNING,
  retrying: StepState.RETRYING,
  waiting: StepState.WAITING,
  done: StepState.DONE,
  not_needed: StepState.NOT_NEEDED,
  failed: StepState.FAILED,
  undoing: StepState.UNDOING,
  undone: StepState.UNDONE,
} as const satisfies Record<StepRecord['state'], StepState>;

const timestamp = (iso: string) => timestampFromDate(new Date(iso));

function errorInit({ code, message }: Failure): MessageInitShape<typeof OperationErrorSchema> {
  return { code, message };
}

function operationInit(operation: Operation): MessageInitShape<typeof OperationSchema> {
  return {
    id: operation.id,
    kind: operation.kind,
    tenantId: operation.tenantId,
    tenantSlug: operation.tenantSlug,
    state: operationStates[operation.state],
    steps: operation.steps.map((step) => ({
      name: step.name,
      state: stepStates[step.state],
      attempts: step.attempts,
      detail: step.detail,
      ...(step.startedAt ? { startTime: timestamp(step.startedAt) } : {}),
      ...(step.endedAt ? { endTime: timestamp(step.endedAt) } : {}),
      ...(step.error ? { error: errorInit(step.error) } : {}),
    })),
    createTime: timestamp(operation.createdAt),
    ...(operation.startedAt ? { startTime: timestamp(operation.startedAt) } : {}),
    ...(operation.endedAt ? { endTime: timestamp(operation.endedAt) } : {}),
    ...(operation.error ? { error: errorInit(operation.error) } : {}),
    attention: operation.attention ?? '',
    definitionVersion: operation.definitionVersion,
    sequence: BigInt(sequenceOf(operation)),
    pointOfNoReturn: operation.steps[operation.pointOfNoReturn]?.name ?? '',
    pastReturn: isPastReturn(operation),
    ...(operation.deadlineAt ? { deadlineTime: timestamp(operation.deadlineAt) } : {}),
    ...(hasEnded(operation) ? {} : { dueTime: timestamp(operation.dueAt) }),
    summary: operation.summary ?? '',
  };
}

function progressInit(operationId: string, entry: ProgressEntry): MessageInitShape<typeof ProgressSchema> {
  return {
    operationId,
    sequence: BigInt(entry.sequence),
    time: timestamp(entry.at),
    step: entry.step,
    attempt: entry.attempt,
    stepState: entry.stepState ? stepStates[entry.stepState] : StepState.UNSPECIFIED,
    operationState: operationStates[entry.operationState],
    detail: entry.detail,
    ...(entry.error ? { error: errorInit(entry.error) } : {}),
  };
}
