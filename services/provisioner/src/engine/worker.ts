// Carries operations out: claims a tenant, writes the intent before each effect and the result after, renews its lease.
import { asBurgageError, BurgageError } from '@burgage/contracts';
import { type Clock, type Component, type Logger, newTraceparent, type Random, runInContext } from '@burgage/runtime';
import type { Json } from '@burgage/store';
import type { OperationDefinition, Step, StepContext, StepResult } from '../domain/definition.ts';
import {
  type Failure,
  hasEnded,
  isPastReturn,
  nextAction,
  type Operation,
  type OperationEvent,
  transition,
  unheardOf,
} from '../domain/operation.ts';
import { failureOf, judge, patiently } from '../domain/retry.ts';
import { definitionNameOf, holdsLease, type TenantOperations, withHead, withoutLease } from '../domain/tenant-operations.ts';
import type { ProvisionerMetrics } from '../metrics.ts';
import type { OperationRepository } from './repository.ts';

export interface WorkerOptions {
  readonly repository: OperationRepository;
  readonly definitions: readonly OperationDefinition<never>[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: ProvisionerMetrics;
  /** The same after a restart, never shared by two workers that live. */
  readonly name: string;
  /** New at every start. */
  readonly boot: string;
  /** Tenants worked on at once. */
  readonly concurrency: number;
  /** How long a worker that is not heard of keeps a tenant. */
  readonly leaseMs: number;
  /** How often it looks for work that nobody rang for. */
  readonly pollMs: number;
}

/** Thrown inside a turn when another worker has the tenant: everything is dropped, nothing is written. */
class LeaseLost extends Error {
  /** The highest token that somebody has seen; 0 where nobody said. */
  readonly seenToken: number;

  constructor(seenToken = 0) {
    super('another worker has the tenant');
    this.seenToken = seenToken;
  }
}

/** A claimed tenant. The token grows with each intent. */
interface Claim {
  readonly tenantId: string;
  fencingToken: number;
}

type AnyStep = Step<Json>;

/** Processes that one step may end, before somebody has to look at it. */
const unheardOfMax = 10;

/** The worker as a component: start() begins to take tenants, drain() finishes the running steps and gives the tenants back. */
export class Worker implements Component {
  readonly name = 'operation worker';
  readonly #options: WorkerOptions;
  readonly #definitionNames: readonly string[];
  readonly #turns = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#definitionNames = options.definitions.map(({ kind, version }) => definitionNameOf(kind, version));
  }

  async start(): Promise<void> {
    await this.#releasePredecessor();
    this.#loop = this.#run();
  }

  async drain(): Promise<void> {
    this.#stopping.abort();
    this.#options.repository.changed.ring();
    await this.#loop;
    await Promise.all(this.#turns.values());
  }

  async stop(): Promise<void> {
    await this.drain();
  }

  /** A lease under this worker's own name and another boot is of a life that has ended: nobody needs to wait for it. */
  async #releasePredecessor(): Promise<void> {
    const { repository, name, boot } = this.#options;
    for (;;) {
      const page = await repository.tenants.list({
        where: [{ field: 'leaseWorker', op: 'eq', value: name }],
        // What newer code of the same name left behind is claimable when its lease has run out.
        tooNew: 'omit',
      });
      const left = page.items.filter(({ value }) => value.lease?.boot !== boot);
      for (const { id } of left) {
        await repository.change(id, (value) =>
          value.lease?.worker === name && value.lease.boot !== boot ? { value: withoutLease(value), outbox: [] } : undefined,
        );
      }
      if (!page.nextCursor || left.length === 0) return;
    }
  }

  async #run(): Promise<void> {
    const { repository, clock, logger, pollMs } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const rung = repository.changed.wait(pollMs, signal);
      try {
        await this.#claimDue();
      } catch (error) {
        logger.warn({ err: error }, 'the operations cannot be read; trying again');
        await clock.sleep(pollMs, signal);
      }
      await rung;
    }
  }

  /** Takes due tenants, longest due first, until every place is filled. */
  async #claimDue(): Promise<void> {
    const { repository, clock, concurrency } = this.#options;
    // One moment for all pages: a cursor belongs to its query.
    const nowMs = clock.now().getTime();
    let cursor: string | undefined;
    do {
      if (this.#turns.size >= concurrency) return;
      const due = await repository.tenants.list({
        where: [
          { field: 'claimableAt', op: 'lte', value: nowMs },
          { field: 'nextDefinition', op: 'in', value: this.#definitionNames },
        ],
        tooNew: 'omit',
        sort: { field: 'claimableAt' },
        ...(cursor ? { cursor } : {}),
      });
      for (const { id } of due.items) {
        if (this.#turns.size >= concurrency || this.#stopping.signal.aborted) return;
        if (!this.#turns.has(id)) this.#begin(id);
      }
      cursor = due.nextCursor;
    } while (cursor);
  }

  #begin(tenantId: string): void {
    const turn = this.#turn(tenantId).finally(() => {
      this.#turns.delete(tenantId);
      this.#options.repository.changed.ring();
    });
    this.#turns.set(tenantId, turn);
  }

  /** One claim: works on the tenant's first operation until it has ended, waits, or the worker stops. */
  async #turn(tenantId: string): Promise<void> {
    const { logger, metrics, clock, pollMs } = this.#options;
    let claim: Claim | undefined;
    try {
      claim = await this.#claim(tenantId);
      if (claim) await this.#work(claim);
    } catch (error) {
      if (error instanceof LeaseLost) {
        metrics.leasesLost.inc();
        logger.warn({ tenantId, seenToken: error.seenToken }, 'another worker has taken this tenant');
      } else {
        logger.error({ err: error, tenantId }, 'a turn ended unexpectedly; trying again');
      }
      // It keeps its place meanwhile: whatever is wrong is not asked again at once.
      await clock.sleep(pollMs, this.#stopping.signal);
      if (claim) await this.#release(claim, error instanceof LeaseLost ? error.seenToken : 0).catch(() => undefined);
    }
  }

  async #claim(tenantId: string): Promise<Claim | undefined> {
    const { repository, clock, name, boot } = this.#options;
    let claimed: Claim | undefined;
    await repository.change(tenantId, (value) => {
      claimed = undefined;
      const [next] = value.queue;
      const now = clock.now();
      const free = !value.lease || Date.parse(value.lease.until) <= now.getTime();
      if (!next || hasEnded(next) || !free || Date.parse(next.dueAt) > now.getTime() || !this.#definitionOf(next)) return undefined;
      claimed = { tenantId, fencingToken: value.fencingToken };
      return { value: { ...value, lease: { worker: name, boot, until: this.#leaseEnd() } }, outbox: [] };
    });
    return claimed;
  }

  async #work(claim: Claim): Promise<void> {
    const { repository, random, clock, metrics, logger } = this.#options;
    const stored = await repository.tenants.get(claim.tenantId);
    let operation = stored?.value.queue[0];
    if (!operation) return;
    const traceparent = newTraceparent(random);
    await runInContext({ tenantId: claim.tenantId, operationId: operation.id, traceparent }, async () => {
      const waitedMs = clock.now().getTime() - Date.parse(operation?.dueAt ?? '');
      metrics.claimDelay.observe(waitedMs / 1_000);
      while (operation && !hasEnded(operation) && !this.#stopping.signal.aborted) {
        if (Date.parse(operation.dueAt) > clock.now().getTime()) break;
        operation = await this.#advanceOrStick(claim, operation);
      }
      await this.#release(claim);
      if (operation && hasEnded(operation)) {
        metrics.operationsEnded.inc({ kind: operation.kind, outcome: operation.state });
        metrics.operationDuration.observe(
          { kind: operation.kind, outcome: operation.state },
          secondsBetween(operation.createdAt, operation.endedAt),
        );
        logger.info({ outcome: operation.state, error: operation.error }, 'operation ended');
      }
    });
  }

  /** What cannot be carried out by trying again, such as a step that this version does not know, is put before a person. */
  async #advanceOrStick(claim: Claim, operation: Operation): Promise<Operation> {
    try {
      return await this.#advance(claim, operation);
    } catch (error) {
      if (error instanceof LeaseLost || error instanceof BurgageError) throw error;
      this.#options.logger.error({ err: error }, 'the operation cannot go on');
      return await this.#record(claim, operation.id, (newest) => {
        const next = nextAction(newest);
        const step = next.type === 'nothing' ? 0 : next.step;
        const failure = failureOf(error);
        const attention = `Step ${newest.steps[step]?.name} cannot be carried out by this version: ${failure.message} The log of the provisioner says more.`;
        return { type: 'stuck', step, error: failure, attention };
      });
    }
  }

  /** One step forward or backward: intent, effect, result. */
  async #advance(claim: Claim, operation: Operation): Promise<Operation> {
    const next = nextAction(operation);
    if (next.type !== 'nothing') this.#stepOf(operation, next.step);
    // Decided on the newest document, as somebody may have changed the operation meanwhile.
    const { intent, operation: begun } = await this.#intend(claim, operation.id);
    if (intent.type !== 'run_started' && intent.type !== 'undo_started') return begun;
    const action = { type: intent.type === 'run_started' ? 'run' : 'undo', step: intent.step } as const;
    const step = this.#stepOf(begun, action.step);
    const record = begun.steps[action.step];
    const attempt = (action.type === 'run' ? record?.attempts : record?.undoAttempts) ?? 1;
    const outcome = await this.#effect(claim, begun, step, action.type, attempt);
    const event = this.#eventOf(begun, action, step, outcome);
    return await this.#record(claim, operation.id, () => event);
  }

  async #intend(claim: Claim, operationId: string): Promise<{ readonly intent: OperationEvent; readonly operation: Operation }> {
    let intent: OperationEvent | undefined;
    const operation = await this.#record(claim, operationId, (newest) => {
      intent = this.#intentOf(newest);
      return intent;
    });
    if (!intent) throw new Error(`operation ${operationId} was written without an intent`);
    return { intent, operation };
  }

  /** What comes next; or why it does not. */
  #intentOf(operation: Operation): OperationEvent {
    const action = nextAction(operation);
    if (action.type === 'nothing') throw new Error(`operation ${operation.id} is ${operation.state} and has nothing to do`);
    const step = operation.steps[action.step];
    if (action.type === 'run' && !isPastReturn(operation)) {
      // Its worker ended before it could turn back.
      if (operation.cancelledAt !== undefined) {
        return { type: 'turned_back', error: { code: 'cancelled', message: 'Somebody asked for it to be cancelled.' } };
      }
      if (operation.deadlineAt !== undefined && Date.parse(operation.deadlineAt) <= this.#options.clock.now().getTime()) {
        return {
          type: 'turned_back',
          error: { code: 'deadline_exceeded', message: `It had not come to step ${step?.name} by ${operation.deadlineAt}.` },
        };
      }
    }
    if (step && unheardOf(step, action.type) >= unheardOfMax) {
      const message = `The process ended in each of ${unheardOfMax} attempts to ${action.type} step ${step.name}.`;
      const attention = `${message} Its logs say how; mend that, then have the operation tried again.`;
      return { type: 'stuck', step: action.step, error: { code: 'internal', message }, attention };
    }
    return { type: action.type === 'run' ? 'run_started' : 'undo_started', step: action.step };
  }

  /** Runs or undoes a step within its timeout while the lease is renewed. A thrown value is the outcome, not an exception. */
  async #effect(
    claim: Claim,
    operation: Operation,
    step: AnyStep,
    direction: 'run' | 'undo',
    attempt: number,
  ): Promise<StepResult | BurgageError> {
    const { clock, metrics, logger } = this.#options;
    const ended = new AbortController();
    const attemptOver = new AbortController();
    const startedMs = clock.monotonicMs();
    const heartbeat = this.#heartbeat(claim, operation.id, ended.signal, attemptOver);
    const timeout = clock.sleep(step.timeoutMs, ended.signal).then(() => {
      if (!ended.signal.aborted) attemptOver.abort();
      throw new BurgageError('deadline_exceeded', { message: `Step ${step.name} took longer than ${step.timeoutMs} ms.` });
    });
    timeout.catch(() => undefined);
    const context: StepContext<Json> = {
      input: operation.input,
      operationId: operation.id,
      fence: { operationId: operation.id, token: claim.fencingToken },
      attempt,
      createdAt: operation.createdAt,
      ...(direction === 'undo' && operation.error ? { reason: reasonOf(operation.error, operation.failedStep) } : {}),
      signal: attemptOver.signal,
    };
    let outcome: StepResult | BurgageError;
    try {
      const effect = runInContext({ signal: attemptOver.signal, deadlineAtMs: startedMs + step.timeoutMs }, async () => {
        if (direction === 'run') return await step.run(context);
        await step.undo?.(context);
        return { type: 'done', detail: '' } satisfies StepResult;
      });
      outcome = await Promise.race([effect, timeout]);
    } catch (error) {
      outcome = asBurgageError(error);
      logger.warn({ err: error, step: step.name, attempt, direction }, 'a step attempt failed');
    } finally {
      ended.abort();
    }
    metrics.stepDuration.observe(
      { step: step.name, direction, outcome: outcome instanceof Error ? outcome.code : outcome.type },
      (clock.monotonicMs() - startedMs) / 1_000,
    );
    if (await heartbeat) throw new LeaseLost();
    return outcome;
  }

  /** Renews the lease while an effect runs. Resolves with true when the lease is lost, or may be over before it can be renewed. */
  async #heartbeat(claim: Claim, operationId: string, ended: AbortSignal, attemptOver: AbortController): Promise<boolean> {
    const { clock, leaseMs, repository, logger } = this.#options;
    const intervalMs = leaseMs / 3;
    let renewedMs = clock.monotonicMs();
    for (;;) {
      await clock.sleep(intervalMs, ended);
      if (ended.aborted) return false;
      const askedMs = clock.monotonicMs();
      try {
        const { value: renewed } = await repository.change(claim.tenantId, (value) => {
          this.#assertHolds(value, claim);
          return { value: this.#renewed(value), outbox: [] };
        });
        renewedMs = askedMs;
        // Nobody waits for what will be undone.
        const [running] = renewed.queue;
        if (running?.state === 'running' && running.cancelledAt !== undefined && !isPastReturn(running)) attemptOver.abort();
      } catch (error) {
        // The next chance would come after the end of the lease: by then another worker may act.
        const isOver = error instanceof LeaseLost || clock.monotonicMs() + intervalMs >= renewedMs + leaseMs;
        if (isOver) {
          attemptOver.abort();
          return true;
        }
        logger.warn({ err: error, operationId }, 'the lease could not be renewed; trying again');
      }
    }
  }

  #eventOf(
    operation: Operation,
    action: { readonly type: 'run' | 'undo'; readonly step: number },
    step: AnyStep,
    outcome: StepResult | BurgageError,
  ): OperationEvent {
    if (!(outcome instanceof BurgageError)) {
      if (action.type === 'undo') return { type: 'undo_done', step: action.step };
      if (outcome.type === 'waits')
        return { type: 'run_waits', step: action.step, detail: outcome.detail, dueAt: outcome.until.toISOString() };
      return { type: outcome.type === 'done' ? 'run_done' : 'run_not_needed', step: action.step, detail: outcome.detail };
    }
    const { clock, random } = this.#options;
    const error = failureOf(outcome);
    const isLate = operation.deadlineAt !== undefined && Date.parse(operation.deadlineAt) <= clock.now().getTime();
    // What has no way back is tried for long; a person is asked only then.
    const isPatient = action.type === 'undo' || (isPastReturn(operation) && !isLate);
    const policy = isPatient ? patiently(step.retry) : step.retry;
    const record = operation.steps[action.step];
    const failures = 1 + ((action.type === 'run' ? record?.failures : record?.undoFailures) ?? 0);
    const verdict = judge(outcome, failures, policy, random);
    switch (verdict.type) {
      case 'lost':
        throw new LeaseLost(verdict.token);
      case 'person':
        return {
          type: 'stuck',
          step: action.step,
          error,
          attention: `Step ${step.name} met what neither trying again nor undoing would mend: ${error.message} Mend it, then have the operation tried again.`,
        };
      case 'give_up':
        if (action.type === 'run') return { type: 'run_failed', step: action.step, error };
        return {
          type: 'stuck',
          step: action.step,
          error,
          attention: `Step ${step.name} could not be undone: ${error.message} Remove by hand what it left, then have the operation tried again.`,
        };
      case 'retry': {
        const dueAt = new Date(clock.now().getTime() + verdict.delayMs).toISOString();
        return action.type === 'run'
          ? { type: 'run_retry', step: action.step, error, dueAt }
          : { type: 'undo_retry', step: action.step, error, dueAt };
      }
      default:
        return verdict satisfies never;
    }
  }

  /** Writes one transition of the newest document, under the lease. An intent takes a token of its own. */
  async #record(claim: Claim, operationId: string, decide: (newest: Operation) => OperationEvent): Promise<Operation> {
    const { repository, clock } = this.#options;
    let written: Operation | undefined;
    let fencingToken = claim.fencingToken;
    await repository.change(claim.tenantId, (value) => {
      this.#assertHolds(value, claim);
      const [operation] = value.queue;
      if (operation?.id !== operationId) throw new Error(`operation ${operationId} is not the first of its tenant`);
      const event = decide(operation);
      const at = clock.now().toISOString();
      const next = transition(operation, event, at);
      const isIntent = event.type === 'run_started' || event.type === 'undo_started';
      fencingToken = value.fencingToken + (isIntent ? 1 : 0);
      written = next;
      return { value: this.#renewed({ ...withHead(value, next, at), fencingToken }), outbox: repository.consequencesOf(operation, next) };
    });
    if (!written) throw new Error(`the transition of operation ${operationId} was not written`);
    claim.fencingToken = fencingToken;
    return written;
  }

  /** Gives the tenant back, where it is still held; its token then is `seenToken` at least, so that the next claim is not refused. */
  async #release(claim: Claim, seenToken = 0): Promise<void> {
    const { name, boot, repository } = this.#options;
    await repository.change(claim.tenantId, (value) => {
      if (!holdsLease(value, name, boot, claim.fencingToken)) return undefined;
      return { value: withoutLease({ ...value, fencingToken: Math.max(value.fencingToken, seenToken) }), outbox: [] };
    });
  }

  #assertHolds(value: TenantOperations, claim: Claim): void {
    if (!holdsLease(value, this.#options.name, this.#options.boot, claim.fencingToken)) throw new LeaseLost();
  }

  #renewed(value: TenantOperations): TenantOperations {
    return value.lease ? { ...value, lease: { ...value.lease, until: this.#leaseEnd() } } : value;
  }

  #leaseEnd(): string {
    return new Date(this.#options.clock.now().getTime() + this.#options.leaseMs).toISOString();
  }

  /** The definition of exactly the kind and version that the operation was made from; others are left to workers that know them. */
  #definitionOf(operation: Operation): OperationDefinition | undefined {
    return (this.#options.definitions as readonly OperationDefinition[]).find(
      (definition) => definition.kind === operation.kind && definition.version === operation.definitionVersion,
    );
  }

  #stepOf(operation: Operation, index: number): AnyStep {
    const name = operation.steps[index]?.name;
    const step = this.#definitionOf(operation)?.steps.find((candidate) => candidate.name === name);
    if (!step) throw new Error(`${operation.kind} version ${operation.definitionVersion} has no step ${name}`);
    return step;
  }
}

/** Why an operation is undone, for a person: a step has failed, or none has and somebody, or the time, has ended it. */
function reasonOf({ message }: Failure, failedStep: string | undefined): string {
  return failedStep === undefined ? message : `Step ${failedStep} failed: ${message}`;
}

function secondsBetween(from: string, to: string | undefined): number {
  return to ? (Date.parse(to) - Date.parse(from)) / 1_000 : 0;
}
