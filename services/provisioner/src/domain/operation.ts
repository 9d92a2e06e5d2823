// An operation as data: a durable change to one tenant, its steps, and the one function that moves it.
import type { Json } from '@burgage/store';

/** Why a step or an operation failed. Public. */
export interface Failure {
  readonly code: string;
  readonly message: string;
}

export type StepState = 'pending' | 'running' | 'retrying' | 'waiting' | 'done' | 'not_needed' | 'failed' | 'undoing' | 'undone';

export interface StepRecord {
  readonly name: string;
  readonly state: StepState;
  /** How often its run was begun. */
  readonly attempts: number;
  /** How often its undo was begun. */
  readonly undoAttempts: number;
  /** Attempts of its run that ended in an error since a person last asked for another try. */
  readonly failures?: number;
  readonly undoFailures?: number;
  /** Attempts of its run and undo that count for nothing: they waited, or a person has asked for another try since. */
  readonly excused?: number;
  readonly undoExcused?: number;
  /** In a few words, for people; empty until it is known. */
  readonly detail: string;
  readonly startedAt?: string;
  /** When its run had its result; an undo leaves it as it is. */
  readonly endedAt?: string;
  /** The last error of a run or an undo; it stays on a step that failed and was undone. */
  readonly error?: Failure;
}

export type OperationState = 'queued' | 'running' | 'undoing' | 'succeeded' | 'failed' | 'cancelled' | 'needs_attention';

export const operationKinds = ['provision', 'suspend', 'resume', 'change_plan', 'move', 'terminate'] as const;
export type OperationKind = (typeof operationKinds)[number];

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
  /** As it was asked for: the same key may not ask for something else. */
  readonly request?: Json;
  /** What was asked for, in a few words for people; empty where the kind says it all. */
  readonly summary?: string;
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
  /** Where it was when it came to need attention. */
  readonly attentionFrom?: 'running' | 'undoing';
  /** When somebody asked for it to be cancelled. */
  readonly cancelledAt?: string;
  /** When it is undone, or needs attention past the point of no return, unless it has ended by then. */
  readonly deadlineAt?: string;
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
  readonly request?: Json;
  readonly summary?: string;
  readonly steps: readonly string[];
  readonly pointOfNoReturn: number;
  readonly deadlineAt?: string;
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
  /** Nothing is wrong, but it is too early. */
  | { readonly type: 'run_waits'; readonly step: number; readonly detail: string; readonly dueAt: string }
  | { readonly type: 'run_retry'; readonly step: number; readonly error: Failure; readonly dueAt: string }
  | { readonly type: 'run_failed'; readonly step: number; readonly error: Failure }
  | { readonly type: 'undo_started'; readonly step: number }
  | { readonly type: 'undo_done'; readonly step: number }
  | { readonly type: 'undo_retry'; readonly step: number; readonly error: Failure; readonly dueAt: string }
  /** Neither another attempt nor an undo would help: a person must look. */
  | { readonly type: 'stuck'; readonly step: number; readonly error: Failure; readonly attention: string }
  /** Before the point of no return: everything is undone, for this reason. */
  | { readonly type: 'turned_back'; readonly error: Failure }
  /** Somebody wants it undone. A step that runs is left to its worker, which turns back after it. */
  | { readonly type: 'cancel_requested' }
  /** Somebody wants it to go on at once. */
  | { readonly type: 'retry_requested' };

export function createOperation(from: NewOperation, at: string): Operation {
  return {
    id: from.id,
    kind: from.kind,
    definitionVersion: from.definitionVersion,
    tenantId: from.tenantId,
    tenantSlug: from.tenantSlug,
    input: from.input,
    ...(from.request === undefined ? {} : { request: from.request }),
    ...(from.summary ? { summary: from.summary } : {}),
    ...(from.deadlineAt ? { deadlineAt: from.deadlineAt } : {}),
    state: 'queued',
    steps: from.steps.map((name) => ({ name, state: 'pending', attempts: 0, undoAttempts: 0, detail: '' })),
    pointOfNoReturn: from.pointOfNoReturn,
    createdAt: at,
    dueAt: at,
    log: [{ sequence: 1, at, step: '', attempt: 0, operationState: 'queued', detail: 'waits for a worker' }],
  };
}

/** True where a worker has nothing to do: it is over, or needs a person. */
export function hasEnded(operation: Operation): boolean {
  return isOver(operation) || operation.state === 'needs_attention';
}

/** True where nothing will ever happen to it again. */
export function isOver({ state }: Operation): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
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
    case 'cancelled':
    case 'needs_attention':
      return { type: 'nothing' };
    default:
      return operation.state satisfies never;
  }
}

/** The effect of a step that failed, or whose result was not written, may be there in part: it is undone as well. */
function mayHaveEffect({ state }: StepRecord): boolean {
  return state !== 'pending' && state !== 'not_needed' && state !== 'undone';
}

/** Intents at the step's run or undo of which nobody has heard since: their processes ended. The newest may be at work. */
export function unheardOf(step: StepRecord, direction: 'run' | 'undo'): number {
  return direction === 'run'
    ? step.attempts - (step.failures ?? 0) - (step.excused ?? 0)
    : step.undoAttempts - (step.undoFailures ?? 0) - (step.undoExcused ?? 0);
}

/** Whether somebody may have it undone, and why not. */
export function canCancel(operation: Operation): boolean {
  if (operation.cancelledAt || isPastReturn(operation)) return false;
  return operation.state === 'queued' || operation.state === 'running' || operation.attentionFrom === 'running';
}

/** Whether somebody may have it go on at once. */
export function canRetry(operation: Operation): boolean {
  if (operation.state === 'needs_attention') return true;
  return (
    (operation.state === 'running' || operation.state === 'undoing') &&
    operation.steps.some(({ state }) => state === 'retrying' || state === 'undoing')
  );
}

/** Moves an operation: the only function that does. The entries it adds to the log follow the ones before without gaps. */
export function transition(operation: Operation, event: OperationEvent, at: string): Operation {
  if (!isAllowed(operation, event)) {
    const step = 'step' in event ? `, step ${event.step} is ${operation.steps[event.step]?.state}` : '';
    throw new Error(`operation ${operation.id} is ${operation.state}${step}: ${event.type} is not allowed`);
  }
  switch (event.type) {
    case 'turned_back':
      return turnBack(operation, event.error, at);
    case 'cancel_requested': {
      const asked = log({ ...operation, cancelledAt: at }, { at, step: '', attempt: 0, detail: 'somebody asked for it to be cancelled' });
      return operation.steps.some((step) => step.state === 'running') && operation.state === 'running'
        ? asked
        : turnBack(asked, cancelled, at);
    }
    case 'retry_requested':
      return goOn(operation, at);
    default:
      return moveStep(operation, event, at);
  }
}

const cancelled: Failure = { code: 'cancelled', message: 'Somebody asked for it to be cancelled.' };

/** The tenant was made for these: it goes with them, also where nothing of them has begun. */
const makesTenant: ReadonlySet<OperationKind> = new Set(['provision']);

function turnBack(operation: Operation, error: Failure, at: string): Operation {
  const { attention: _, attentionFrom: __, endedAt: ___, failedStep: ____, ...rest } = operation;
  const isUnbegun = makesTenant.has(rest.kind) && !rest.steps.some(mayHaveEffect);
  const steps = isUnbegun ? rest.steps.map((step, index): StepRecord => (index === 0 ? { ...step, state: 'failed' } : step)) : rest.steps;
  const back: Operation = { ...rest, steps, state: 'undoing', error, dueAt: at };
  if (!back.steps.some(mayHaveEffect)) return end(back, endOfUndo(back), at, {});
  return log(back, { at, step: '', attempt: 0, detail: 'goes back', error });
}

/** A person has seen to what was wrong: attempts are counted anew. */
function goOn(operation: Operation, at: string): Operation {
  const { attention: _, attentionFrom, endedAt: __, ...rest } = operation;
  const steps = operation.steps.map((step): StepRecord => {
    const { failures: _f, undoFailures: _u, ...kept } = step;
    const excused = { ...kept, excused: step.attempts, undoExcused: step.undoAttempts };
    return step.state === 'failed' && attentionFrom === 'running' ? { ...excused, state: 'retrying' } : excused;
  });
  const state = attentionFrom ?? operation.state;
  const { error, failedStep, ...clean } = rest;
  const reason = state === 'undoing' ? { ...(error ? { error } : {}), ...(failedStep ? { failedStep } : {}) } : {};
  return log({ ...clean, ...reason, steps, state, dueAt: at }, { at, step: '', attempt: 0, detail: 'somebody asked for another try' });
}

type StepEvent = Extract<OperationEvent, { readonly step: number }>;

function moveStep(operation: Operation, event: StepEvent, at: string): Operation {
  const step = operation.steps[event.step];
  if (!step) throw new Error(`operation ${operation.id} has no step ${event.step}`);
  const begun = { ...step, attempts: step.attempts + 1, startedAt: step.startedAt ?? at };
  switch (event.type) {
    case 'run_started':
      return move(operation, at, event.step, { ...begun, state: 'running' }, { state: 'running', startedAt: operation.startedAt ?? at });
    case 'run_done':
      return finishRun(operation, at, event.step, { ...withoutError(step), state: 'done', detail: event.detail, endedAt: at });
    case 'run_not_needed':
      return finishRun(operation, at, event.step, { ...withoutError(step), state: 'not_needed', detail: event.detail, endedAt: at });
    case 'run_waits': {
      const waiting: StepRecord = { ...withoutError(step), state: 'waiting', detail: event.detail, excused: (step.excused ?? 0) + 1 };
      return orBack(move(operation, at, event.step, waiting, { dueAt: event.dueAt }), at);
    }
    case 'run_retry': {
      const retrying: StepRecord = { ...step, state: 'retrying', error: event.error, failures: (step.failures ?? 0) + 1 };
      return orBack(move(operation, at, event.step, retrying, { dueAt: event.dueAt }), at);
    }
    case 'run_failed': {
      const failed: StepRecord = { ...step, state: 'failed', error: event.error, failures: (step.failures ?? 0) + 1, endedAt: at };
      const failure = { error: event.error, failedStep: step.name };
      if (isPastReturn(operation)) {
        return attend(move(operation, at, event.step, failed, {}), at, {
          ...failure,
          attention: `Step ${step.name} failed after the point of no return: ${event.error.message} Mend the cause; the operation can then be tried again.`,
        });
      }
      return move(operation, at, event.step, failed, { ...failure, state: 'undoing', dueAt: at });
    }
    case 'undo_started':
      return move(operation, at, event.step, { ...step, state: 'undoing', undoAttempts: step.undoAttempts + 1 }, {});
    case 'undo_done': {
      const undone = move(operation, at, event.step, { ...step, state: 'undone' }, { dueAt: at });
      return undone.steps.some(mayHaveEffect) ? undone : end(undone, endOfUndo(undone), at, {});
    }
    case 'undo_retry': {
      const retrying: StepRecord = { ...step, error: event.error, undoFailures: (step.undoFailures ?? 0) + 1 };
      return move(operation, at, event.step, retrying, { dueAt: event.dueAt });
    }
    case 'stuck': {
      const failure = operation.state === 'undoing' ? {} : { error: event.error, failedStep: step.name };
      return attend(move(operation, at, event.step, { ...step, error: event.error }, {}), at, { ...failure, attention: event.attention });
    }
    default:
      return event satisfies never;
  }
}

function endOfUndo({ cancelledAt }: Operation): OperationState {
  return cancelledAt === undefined ? 'failed' : 'cancelled';
}

/** A step has come to rest: where somebody wants it so, the operation goes back instead. */
function orBack(operation: Operation, at: string): Operation {
  return operation.cancelledAt !== undefined && !isPastReturn(operation) ? turnBack(operation, cancelled, at) : operation;
}

function attend(operation: Operation, at: string, change: Partial<Operation>): Operation {
  const attentionFrom = operation.state === 'undoing' ? 'undoing' : 'running';
  return end({ ...operation, attentionFrom }, 'needs_attention', at, change);
}

/** Intents follow from what comes next, results from an intent: everything else is a worker's mistake. */
function isAllowed(operation: Operation, event: OperationEvent): boolean {
  const step = 'step' in event ? operation.steps[event.step] : undefined;
  switch (event.type) {
    case 'run_started':
    case 'undo_started': {
      const next = nextAction(operation);
      return next.type !== 'nothing' && `${next.type}_started` === event.type && next.step === event.step;
    }
    case 'run_done':
    case 'run_not_needed':
    case 'run_waits':
    case 'run_retry':
    case 'run_failed':
      return operation.state === 'running' && step?.state === 'running';
    case 'undo_done':
    case 'undo_retry':
      return operation.state === 'undoing' && step?.state === 'undoing';
    case 'stuck':
      return !hasEnded(operation) && step !== undefined;
    case 'turned_back':
      return (operation.state === 'queued' || operation.state === 'running') && !isPastReturn(operation);
    case 'cancel_requested':
      return canCancel(operation);
    case 'retry_requested':
      return canRetry(operation);
    default:
      return event satisfies never;
  }
}

function withoutError({ error: _, ...step }: StepRecord): StepRecord {
  return step;
}

function finishRun(operation: Operation, at: string, index: number, step: StepRecord): Operation {
  const moved = move(operation, at, index, step, { dueAt: at });
  return nextAction(moved).type === 'nothing' ? end(moved, 'succeeded', at, {}) : orBack(moved, at);
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
