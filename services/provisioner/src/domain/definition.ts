// What the author of an operation writes: steps with run, undo, timeout and retry.
import type { Json } from '@burgage/store';
import type { OperationKind } from './operation.ts';
import type { Fence } from './ports.ts';

/** What a step is given. The same at every attempt but for `signal`, `attempt` and the token of `fence`. */
export interface StepContext<Input> {
  readonly input: Input;
  readonly operationId: string;
  /** Its token is higher than that of every attempt before, at any step and by any worker; every change is made with it. */
  readonly fence: Fence;
  readonly attempt: number;
  /** When the operation was asked for. */
  readonly createdAt: string;
  /** Why the operation is undone, for a person; only given to `undo`. */
  readonly reason?: string;
  /** Aborted at the step's timeout, and when the lease is lost. */
  readonly signal: AbortSignal;
}

/** A step's result: what it made, in a few words; that there was nothing to do here; or when it is to be run again, as it is too early. */
export type StepResult =
  | { readonly type: 'done'; readonly detail: string }
  | { readonly type: 'not_needed'; readonly detail: string }
  | { readonly type: 'waits'; readonly detail: string; readonly until: Date };

export const done = (detail: string): StepResult => ({ type: 'done', detail });
export const notNeeded = (detail: string): StepResult => ({ type: 'not_needed', detail });
export const waits = (until: Date, detail: string): StepResult => ({ type: 'waits', detail, until });

export interface RetryPolicy {
  readonly attemptsMax: number;
  /** Upper bound of the delay before the second attempt; doubled at each further one. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
}

/**
 * One part of an operation. `run` is idempotent: it may be called again after a crash at any point of it. `undo` takes
 * back what `run` did, whole or in part or not at all, and is idempotent as well.
 */
export interface Step<Input> {
  readonly name: string;
  /** Of one attempt. */
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  run(context: StepContext<Input>): Promise<StepResult>;
  /** Absent: there is nothing to take back. */
  undo?(context: StepContext<Input>): Promise<void>;
}

/** A kind of operation. A change to its steps or their order is a new version. */
export interface OperationDefinition<Input extends Json = Json> {
  readonly kind: OperationKind;
  readonly version: number;
  readonly steps: readonly Step<Input>[];
  /** The step from whose intent on the operation only goes forward. */
  readonly pointOfNoReturn: string;
  /** From being asked for until it must have ended; absent: it may take any time. */
  readonly deadlineMs?: number;
}

/** The index of the point of no return. */
export function pointOfNoReturnOf(definition: OperationDefinition<never>): number {
  const index = definition.steps.findIndex((step) => step.name === definition.pointOfNoReturn);
  if (index === -1) throw new Error(`${definition.kind} has no step ${definition.pointOfNoReturn}`);
  return index;
}
