// Translates the provisioner's operations and their progress into what the API shows.
import {
  BurgageError,
  type OperationError,
  OperationState,
  type Operation as ProvisionerOperation,
  type Progress as ProvisionerProgress,
  type Step as ProvisionerStep,
  StepState,
} from '@burgage/contracts';
import { operationIdFor } from '@burgage/tenancy';
import type { Operation, operationStates, Progress, Step, stepStates } from '../schemas/operations.ts';
import type { Tenant } from '../schemas/tenants.ts';
import { isoTime } from './time.ts';

type OperationStateName = (typeof operationStates)[number];
type StepStateName = (typeof stepStates)[number];

const operationStateNames: Readonly<Partial<Record<OperationState, OperationStateName>>> = {
  [OperationState.QUEUED]: 'queued',
  [OperationState.RUNNING]: 'running',
  [OperationState.UNDOING]: 'undoing',
  [OperationState.SUCCEEDED]: 'succeeded',
  [OperationState.FAILED]: 'failed',
  [OperationState.NEEDS_ATTENTION]: 'needs_attention',
  [OperationState.CANCELLED]: 'cancelled',
};

const stepStateNames: Readonly<Partial<Record<StepState, StepStateName>>> = {
  [StepState.PENDING]: 'pending',
  [StepState.RUNNING]: 'running',
  [StepState.DONE]: 'done',
  [StepState.NOT_NEEDED]: 'not_needed',
  [StepState.RETRYING]: 'retrying',
  [StepState.FAILED]: 'failed',
  [StepState.UNDOING]: 'undoing',
  [StepState.UNDONE]: 'undone',
  [StepState.WAITING]: 'waiting',
};

/** True once nothing more happens to the operation by itself. */
export function hasEnded(operation: Operation): boolean {
  return !['queued', 'running', 'undoing'].includes(operation.state);
}

/** The operation as the API shows it. */
export function operationView(operation: ProvisionerOperation): Operation {
  const createdAt = known(isoTime(operation.createTime), operation.id, 'creation time');
  const deadlineAt = isoTime(operation.deadlineTime);
  const dueAt = isoTime(operation.dueTime);
  return {
    id: operation.id,
    kind: operation.kind,
    ...(operation.summary === '' ? {} : { summary: operation.summary }),
    tenant: { id: operation.tenantId, ...(operation.tenantSlug === '' ? {} : { slug: operation.tenantSlug }) },
    state: known(operationStateNames[operation.state], operation.id, 'state'),
    steps: operation.steps.map((step) => stepView(step, operation.id)),
    createdAt,
    ...times(operation),
    ...failure(operation.error),
    ...(operation.attention === '' ? {} : { attention: operation.attention }),
    ...(operation.pointOfNoReturn === '' ? {} : { pointOfNoReturn: operation.pointOfNoReturn }),
    pastReturn: operation.pastReturn,
    ...(deadlineAt === undefined ? {} : { deadlineAt }),
    ...(dueAt === undefined ? {} : { dueAt }),
    sequence: Number(operation.sequence),
  };
}

/**
 * The first operation of a tenant that the provisioner has not taken yet. Its id is known, because it comes from the
 * tenant's; the provisioner's sweep will start it.
 */
export function awaitedProvision(tenant: Tenant): Operation {
  return {
    id: operationIdFor('provision', tenant.id),
    kind: 'provision',
    tenant: { id: tenant.id, ...(tenant.slug === undefined ? {} : { slug: tenant.slug }) },
    state: 'queued',
    steps: [],
    createdAt: tenant.createdAt,
    pastReturn: false,
    sequence: 0,
  };
}

/** One entry of an operation's log as the API shows it. */
export function progressView(progress: ProvisionerProgress): Progress {
  const stepState = stepStateNames[progress.stepState];
  return {
    operationId: progress.operationId,
    sequence: Number(progress.sequence),
    time: known(isoTime(progress.time), progress.operationId, 'progress time'),
    ...(progress.step === '' ? {} : { step: progress.step }),
    ...(progress.attempt === 0 ? {} : { attempt: progress.attempt }),
    ...(stepState === undefined ? {} : { stepState }),
    operationState: known(operationStateNames[progress.operationState], progress.operationId, 'state'),
    ...(progress.detail === '' ? {} : { detail: progress.detail }),
    ...failure(progress.error),
  };
}

function stepView(step: ProvisionerStep, operationId: string): Step {
  return {
    name: step.name,
    state: known(stepStateNames[step.state], operationId, `state of step ${step.name}`),
    attempts: step.attempts,
    ...(step.detail === '' ? {} : { detail: step.detail }),
    ...times(step),
    ...failure(step.error),
  };
}

function times(of: Pick<ProvisionerStep, 'startTime' | 'endTime'>): { startedAt?: string; endedAt?: string } {
  const startedAt = isoTime(of.startTime);
  const endedAt = isoTime(of.endTime);
  return { ...(startedAt === undefined ? {} : { startedAt }), ...(endedAt === undefined ? {} : { endedAt }) };
}

function failure(error: OperationError | undefined): { error?: { code: string; message: string } } {
  return error === undefined ? {} : { error: { code: error.code, message: error.message } };
}

/** A value that the provisioner always sets; `internal` where it did not. */
function known<T>(value: T | undefined, operationId: string, what: string): T {
  if (value === undefined)
    throw new BurgageError('internal', { cause: new Error(`the provisioner sent ${operationId} without a known ${what}`) });
  return value;
}
