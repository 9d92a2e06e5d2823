// What one piece of work carries with it wherever it goes: whose it is, its trace, its deadline, its cancellation.
import { AsyncLocalStorage } from 'node:async_hooks';

export interface Context {
  readonly tenantId?: string;
  readonly operationId?: string;
  /** W3C trace context of the span that the work runs in. */
  readonly traceparent?: string;
  /** On the monotonic clock of this process. */
  readonly deadlineAtMs?: number;
  /** Aborted when nobody waits for the work any more. */
  readonly signal?: AbortSignal;
}

const empty: Context = Object.freeze({});
const storage = new AsyncLocalStorage<Context>();

/** The context of the running work; an empty one outside of any. */
export function currentContext(): Context {
  return storage.getStore() ?? empty;
}

/**
 * Runs `fn`, and all that it starts, in the current context with `addition` on top. A deadline can only become earlier,
 * and a signal joins the one that is there: inner work never outlives the outer.
 */
export function runInContext<T>(addition: Context, fn: () => T): T {
  const outer = storage.getStore();
  return storage.run(outer === undefined ? addition : merge(outer, addition), fn);
}

/** Runs `fn` with the ids and the trace of the current work, but without its deadline and signal: for work that outlives the call that began it. */
export function runDetached<T>(fn: () => T): T {
  const { deadlineAtMs: _deadline, signal: _signal, ...rest } = currentContext();
  return storage.run(rest, fn);
}

function merge(outer: Context, addition: Context): Context {
  const merged = { ...outer, ...addition };
  if (outer.deadlineAtMs !== undefined && addition.deadlineAtMs !== undefined) {
    merged.deadlineAtMs = Math.min(outer.deadlineAtMs, addition.deadlineAtMs);
  }
  if (outer.signal !== undefined && addition.signal !== undefined && outer.signal !== addition.signal) {
    merged.signal = AbortSignal.any([outer.signal, addition.signal]);
  }
  return merged;
}
