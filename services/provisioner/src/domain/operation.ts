// An operation as data: a durable change to one tenant, its steps, and the one function that moves it.
import type { Json } from '@burgage/store';

/** Why a step or an operation failed. Public. */
export interface Failure {
  readonly code: string;
  readonly message: string;
}

export type StepState = 'pending' | 'running' | 'retrying' | 'done' | 'not_needed' | 'failed' | 'undoing' | 'undone';

export interface StepRecord {
  readonly name: string;
  readonly state: StepState;
  /** How often its run was begun. */
  readonly attempts: number;
  /** How often its undo was begun. */
  readonly undoAttempts: number;
  /** In a few words, for people; empty until it is known. */
  readonly detail: string;
  readonly startedAt?: string;
  /** When its run had its result; an undo leaves it as it is. */
  readonly endedAt?: string;
  /** The last error of a run or an undo; it stays on a step that failed and was undone. */
  readonly error?: Failure;
}

export type OperationState = 'queued' | 'running' | 'undoing' | 'succeeded' | 'failed' | 'needs_attention';
export type OperationKind = 'provision';

/** One entry of an operation's log. `step` is empty where the operation itself changed. */
export interface ProgressEntry {
  readonly sequence: number;
  readonly at: string;
  readonly step: string;
  readonly attempt: number;
  readonly stepState?: StepState;
  readonly operationState: OperationState;
  readonly detail: string;
  readonly error?: Failure;
}

/** A durable change to one tenant. Steps, their order and the input are frozen when it is created. */
export interface Operation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly definitionVersion: number;
  readonly tenantId: string;
  readonly tenantSlug: string;
  readonly input: Json;
  readonly state: OperationState;
  readonly steps: readonly StepRecord[];
  /** Index of the first step that cannot be undone any more once its intent is written. */
  readonly pointOfNoReturn: number;
  readonly createdAt: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  /** The failure that it ends with, or is being undone for. */
  readonly error?: Failure;
  /** The step that `error` is of. */
  readonly failedStep?: string;
  /** What a person should do; only when `needs_attention`. */
  readonly attention?: string;
  /** When its next attempt is due. */
  readonly dueAt: string;
  readonly log: readonly ProgressEntry[];
}

export interface NewOperation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly definitionVersion: number;
  readonly tenantId: string;
  readonly tenantSlug: string;
  readonly input: Json;
  readonly steps: readonly string[];
  readonly pointOfNoReturn: number;
}

/** What to do next with an operation. */
export type NextAction =
  | { readonly type: 'run'; readonly step: number }
  | { readonly type: 'undo'; readonly step: number }
  | { readonly type: 'nothing' };

/** What has happened to an operation. `at` of the transition is when. */
export type OperationEvent =
  | { readonly type: 'run_started'; readonly step: number }
  | { readonly type: 'run_done'; readonly step: number; readonly detail: string }
  | { readonly type: 'run_not_needed'; readonly step: number; readonly detail: string }
  | { readonly type: 'run_retry'; readonly step: number; readonly error: Failure; readonly dueAt: string }
  | { readonly type: 'run_failed'; readonly step: number; readonly error: Failure }
  | { readonly type: 'undo_started'; readonly step: number }
  | { readonly type: 'undo_done'; readonly step: number }
  | { readonly type: 'undo_retry'; readonly step: number; readonly error: Failure; readonly dueAt: string }
  | { readonly type: 'undo_failed'; readonly step: number; readonly error: Failure }
  /** The worker cannot do what comes next, and will not be able to by trying again. */
  | { readonly type: 'stuck'; readonly step: number; readonly error: Failure };

export function createOperation(from: NewOperation, at: string): Operation {
  return {
    id: from.id,
    kind: from.kind,
    definitionVersion: from.definitionVersion,
    tenantId: from.tenantId,
    tenantSlug: from.tenantSlug,
    input: from.input,
    state: 'queued',
    steps: from.steps.map((name) => ({ name, state: 'pending', attempts: 0, undoAttempts: 0, detail: '' })),
    pointOfNoReturn: from.pointOfNoReturn,
    createdAt: at,
    dueAt: at,
    log: [{ sequence: 1, at, step: '', attempt: 0, operationState: 'queued', detail: 'waits for a worker' }],
  };
}

export function hasEnded(operation: Operation): boolean {
  return operation.state === 'succeeded' || operation.state === 'failed' || operation.state === 'needs_attention';
}

/** True once the operation can only go forward. */
export function isPastReturn(operation: Operation): boolean {
  return operation.steps.some((step, index) => index >= operation.pointOfNoReturn && step.state !== 'pending');
}

/** The newest sequence of the operation's log. */
export function sequenceOf(operation: Operation): number {
  return operation.log.at(-1)?.sequence ?? 0;
}

/**
 * What comes next: forward, the first step that has no result; backward, the last step whose effect may be there.
 * A step whose intent was written and whose result was not is run again: steps are idempotent.
 */
export function nextAction(operation: Operation): NextAction {
  switch (operation.state) {
    case 'queued':
    case 'running': {
      const step = operation.steps.findIndex((candidate) => candidate.state !== 'done' && candidate.state !== 'not_needed');
      return step === -1 ? { type: 'nothing' } : { type: 'run', step };
    }
    case 'undoing': {
      const step = operation.steps.findLastIndex(mayHaveEffect);
      return step === -1 ? { type: 'nothing' } : { type: 'undo', step };
    }
    case 'succeeded':
    case 'failed':
    case 'needs_attention':
      return { type: 'nothing' };
    default:
      return operation.state satisfies never;
  }
}

/** A failed step's effect may be there in part: it is undone as well. */
function mayHaveEffect(step: StepRecord): boolean {
  return step.state === 'done' || step.state === 'failed' || step.state === 'undoing';
}

/** Moves an operation: the only function that does. The entries it adds to the log follow the ones before without gaps. */
export function transition(operation: Operation, event: OperationEvent, at: string): Operation {
  const step = operation.steps[event.step];
  if (!step || !isAllowed(operation, step, event)) {
    throw new Error(`operation ${operation.id} is ${operation.state}, step ${event.step} is ${step?.state}: ${event.type} is not allowed`);
  }
  const begun = { ...step, attempts: step.attempts + 1, startedAt: step.startedAt ?? at };
  switch (event.type) {
    case 'run_started':
      return move(operation, at, event.step, { ...begun, state: 'running' }, { state: 'running', startedAt: operation.startedAt ?? at });
    case 'run_done':
      return finishRun(operation, at, event.step, { ...withoutError(step), state: 'done', detail: event.detail, endedAt: at });
    case 'run_not_needed':
      return finishRun(operation, at, event.step, { ...withoutError(step), state: 'not_needed', detail: event.detail, endedAt: at });
    case 'run_retry':
      return move(operation, at, event.step, { ...step, state: 'retrying', error: event.error }, { dueAt: event.dueAt });
    case 'run_failed': {
      const failed: StepRecord = { ...step, state: 'failed', error: event.error, endedAt: at };
      const failure = { error: event.error, failedStep: step.name };
      if (isPastReturn(operation)) {
        return end(move(operation, at, event.step, failed, {}), 'needs_attention', at, {
          ...failure,
          attention: `Step ${step.name} failed after the point of no return: ${event.error.message} Mend the cause; the operation can then be tried again.`,
        });
      }
      return move(operation, at, event.step, failed, { ...failure, state: 'undoing', dueAt: at });
    }
    case 'undo_started':
      return move(operation, at, event.step, { ...step, state: 'undoing', undoAttempts: step.undoAttempts + 1 }, {});
    case 'undo_done': {
      const undone = move(operation, at, event.step, { ...step, state: 'undone' }, {});
      return undone.steps.some(mayHaveEffect) ? undone : end(undone, 'failed', at, {});
    }
    case 'undo_retry':
      return move(operation, at, event.step, { ...step, error: event.error }, { dueAt: event.dueAt });
    case 'undo_failed':
      return end(move(operation, at, event.step, { ...step, error: event.error }, {}), 'needs_attention', at, {
        attention: `Step ${step.name} could not be undone: ${event.error.message} Remove by hand what it left, then try the operation again.`,
      });
    case 'stuck':
      return end(operation, 'needs_attention', at, {
        error: event.error,
        failedStep: step.name,
        attention: `Step ${step.name} cannot be carried out by this version: ${event.error.message} The log of the provisioner says more.`,
      });
    default:
      return event satisfies never;
  }
}

/** Intents follow from what comes next, results from an intent: everything else is a worker's mistake. */
function isAllowed(operation: Operation, step: StepRecord, event: OperationEvent): boolean {
  switch (event.type) {
    case 'run_started':
    case 'undo_started': {
      const next = nextAction(operation);
      return next.type !== 'nothing' && `${next.type}_started` === event.type && next.step === event.step;
    }
    case 'run_done':
    case 'run_not_needed':
    case 'run_retry':
    case 'run_failed':
      return operation.state === 'running' && step.state === 'running';
    case 'undo_done':
    case 'undo_retry':
    case 'undo_failed':
      return operation.state === 'undoing' && step.state === 'undoing';
    case 'stuck':
      return !hasEnded(operation);
    default:
      return event satisfies never;
  }
}

function withoutError({ error: _, ...step }: StepRecord): StepRecord {
  return step;
}

function finishRun(operation: Operation, at: string, index: number, step: StepRecord): Operation {
  const moved = move(operation, at, index, step, { dueAt: at });
  return nextAction(moved).type === 'nothing' ? end(moved, 'succeeded', at, {}) : moved;
}

function move(operation: Operation, at: string, index: number, step: StepRecord, change: Partial<Operation>): Operation {
  const next = { ...operation, ...change, steps: operation.steps.with(index, step) };
  return log(next, {
    at,
    step: step.name,
    attempt: step.undoAttempts > 0 ? step.undoAttempts : step.attempts,
    stepState: step.state,
    detail: step.detail,
    ...(step.error ? { error: step.error } : {}),
  });
}

function end(operation: Operation, state: OperationState, at: string, change: Partial<Operation>): Operation {
  const ended = { ...operation, ...change, state, endedAt: at };
  return log(ended, {
    at,
    step: '',
    attempt: 0,
    detail: ended.attention ?? '',
    ...(ended.error ? { error: ended.error } : {}),
  });
}

function log(operation: Operation, entry: Omit<ProgressEntry, 'sequence' | 'operationState'>): Operation {
  const full: ProgressEntry = { ...entry, sequence: sequenceOf(operation) + 1, operationState: operation.state };
  return { ...operation, log: [...operation.log, full] };
}
