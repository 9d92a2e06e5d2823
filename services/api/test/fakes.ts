// A registry and a provisioner that live in memory and answer real gRPC: what the api's and the CLI's tests run against.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  BurgageError,
  type GatewayStatus,
  GatewayStatusSchema,
  type Operation,
  OperationSchema,
  OperationState,
  type Possession,
  PossessionSchema,
  type Progress,
  ProgressSchema,
  ProvisionerService,
  RegistryService,
  StepState,
  type Tenant,
  TenantSchema,
  TenantState,
} from '@burgage/contracts';
import { implement, type RpcImplementation } from '@burgage/rpc';
import { Doorbell } from '@burgage/runtime';
import { operationIdFor, operationIdFromKey, slugFromCompany, tenantIdFromKey } from '@burgage/tenancy';

/** The steps of each kind, and the one from which on it only goes forward. */
const kinds: Readonly<Record<string, { readonly steps: readonly string[]; readonly noReturn: string }>> = {
  provision: {
    steps: ['slug', 'database', 'files', 'certificate', 'dns', 'route', 'owner', 'health', 'activate', 'mail'],
    noReturn: 'activate',
  },
  suspend: { steps: ['hold'], noReturn: 'hold' },
  resume: { steps: ['release'], noReturn: 'release' },
  change_plan: { steps: ['plan'], noReturn: 'plan' },
  move: {
    steps: ['check', 'compute', 'database', 'hold', 'freeze', 'copy', 'compare', 'switch', 'open', 'release', 'source', 'port'],
    noReturn: 'open',
  },
  terminate: {
    steps: ['begin', 'grace', 'freeze', 'backup', 'verify', 'route', 'compute', 'port', 'database', 'files', 'slug'],
    noReturn: 'route',
  },
};
const notNeeded = new Set(['certificate', 'dns']);
/** How long a terminated tenant may still come back. */
const graceDays = 7;
const quarantineMs = 90 * 86_400_000;
const unused = async (): Promise<never> => {
  throw new BurgageError('internal', { message: 'the api does not call this' });
};

/** The page of `items` that begins at the offset in `token`. */
function pageOf<T>(items: readonly T[], size: number, token: string): { page: T[]; nextPageToken: string } {
  if (token !== '' && !/^\d+$/.test(token))
    throw new BurgageError('invalid_page_token', {
      message: 'cursor is not one that this list gave; expected nextCursor of the page before',
    });
  const from = Number(token);
  const to = from + (size || 50);
  return { page: items.slice(from, to), nextPageToken: to < items.length ? String(to) : '' };
}

export class FakeRegistry {
  readonly tenants: Tenant[] = [];
  readonly gateways: GatewayStatus[] = [];
  readonly #bodies = new Map<string, string>();
  revision = 42n;

  service(): RpcImplementation {
    return implement(RegistryService, {
      createTenant: async ({ idempotencyKey, company, plan, ownerEmail, slug: wanted }) => {
        const body = JSON.stringify([company, plan, ownerEmail, wanted]);
        const id = tenantIdFromKey(idempotencyKey);
        const existing = this.tenants.find((tenant) => tenant.id === id);
        if (existing !== undefined) {
          if (this.#bodies.get(id) !== body)
            throw new BurgageError('idempotency_key_reused', {
              fields: [{ field: 'idempotency_key', description: 'was used before with another body' }],
            });
          return { tenant: existing, created: false };
        }
        if (ownerEmail === 'refused@acme.test')
          throw new BurgageError('invalid_argument', { fields: [{ field: 'owner_email', description: 'is refused here' }] });
        const slug = wanted || slugFromCompany(company);
        if (this.tenants.some((tenant) => tenant.slug === slug))
          throw new BurgageError('slug_taken', { fields: [{ field: 'slug', description: `"${slug}" belongs to another tenant` }] });
        const tenant = create(TenantSchema, {
          id,
          slug,
          company,
          plan,
          state: TenantState.REQUESTED,
          ownerEmail,
          createTime: timestampFromDate(new Date()),
          version: 1n,
          catalog: 'litedesk',
          gracePeriodDays: graceDays,
          limits: { requestsPerSecond: 20, concurrency: 20, bodyBytesMax: 0n },
          features: ['contacts'],
        });
        this.#bodies.set(id, body);
        this.tenants.unshift(tenant);
        return { tenant, created: true };
      },
      getTenant: async ({ tenant }) => ({ tenant: this.find(tenant) }),
      listTenants: async ({ pageSize, pageToken, state, plan }) => {
        const matching = this.tenants.filter(
          (tenant) => (state === TenantState.UNSPECIFIED || tenant.state === state) && (plan === '' || tenant.plan === plan),
        );
        const { page, nextPageToken } = pageOf(matching, pageSize, pageToken);
        return { tenants: page, nextPageToken };
      },
      listGateways: async () => ({ gateways: this.gateways, epoch: 'epoch-1', revision: this.revision }),
      transitionTenant: unused,
      putTenantRoute: unused,
      removeTenantRoute: unused,
      addTenantHold: unused,
      liftTenantHold: unused,
      setTenantPlan: unused,
      setTenantMoving: unused,
      removeUpstream: unused,
      listUpstreams: unused,
      putUpstream: unused,
      getUpstream: unused,
      putPlatformRoute: unused,
      resolveHost: unused,
      watchRoutes: async function* () {
        yield await unused();
      },
    });
  }

  find(idOrSlug: string): Tenant {
    const tenant = this.tenants.find(({ id, slug }) => id === idOrSlug || slug === idOrSlug);
    if (tenant === undefined) throw new BurgageError('tenant_not_found', { message: `There is no tenant ${JSON.stringify(idOrSlug)}.` });
    return tenant;
  }

  addGateway(
    gatewayId: string,
    adminAddress: string,
    more: { appliedRevision?: bigint; snapshotHeld?: boolean; twin?: { bootId: string; adminAddress: string } } = {},
  ): void {
    this.gateways.push(
      create(GatewayStatusSchema, {
        gatewayId,
        bootId: `${gatewayId}-boot`,
        adminAddress,
        epoch: 'epoch-1',
        appliedRevision: this.revision,
        lastSeenTime: timestampFromDate(new Date()),
        ...more,
      }),
    );
  }
}

/** How the operations of a fake provisioner go: to their end at once, only when `advance` is called, or refused at all. */
export type Mode = 'at_once' | 'by_hand' | 'down';

export class FakeProvisioner {
  mode: Mode = 'at_once';
  /** The step that fails for good, where one should. */
  failingStep: string | undefined;
  /** The step that a person must look at, where one should be; `retry` goes on after it. */
  attentionStep: string | undefined;
  /** Grace periods are over. */
  graceOver = false;
  /** Streams break off after this many entries, as long as it is set. */
  entriesPerStream: number | undefined;
  readonly operations: { readonly operation: Operation; readonly log: Progress[] }[] = [];
  readonly possessions: Possession[] = [];
  readonly #registry: FakeRegistry;
  readonly #written = new Doorbell();

  constructor(registry: FakeRegistry) {
    this.#registry = registry;
  }

  service(): RpcImplementation {
    return implement(ProvisionerService, {
      provisionTenant: async ({ tenantId }) => {
        this.#requireUp();
        return { operation: this.#start('provision', operationIdFor('provision', tenantId), tenantId, '') };
      },
      suspendTenant: async ({ tenantId, idempotencyKey, hold }) => ({
        operation: this.#ask('suspend', tenantId, idempotencyKey, `hold ${hold}`),
      }),
      resumeTenant: async ({ tenantId, idempotencyKey, hold }) => ({
        operation: this.#ask('resume', tenantId, idempotencyKey, `hold ${hold}`),
      }),
      changeTenantPlan: async ({ tenantId, idempotencyKey, plan }) => ({
        operation: this.#ask('change_plan', tenantId, idempotencyKey, `${this.#registry.find(tenantId).plan} → ${plan}`),
      }),
      moveTenant: async ({ tenantId, idempotencyKey, isolation }) => ({
        operation: this.#ask('move', tenantId, idempotencyKey, `${this.#registry.find(tenantId).isolation} → ${isolation}`),
      }),
      terminateTenant: async ({ tenantId, idempotencyKey, now, confirm }) => {
        const { slug, formerSlug } = this.#registry.find(tenantId);
        if (confirm !== (slug || formerSlug)) throw new BurgageError('internal', { message: 'the api let a wrong confirmation through' });
        return { operation: this.#ask('terminate', tenantId, idempotencyKey, now ? 'at once' : `after ${graceDays} days`) };
      },
      cancelOperation: async ({ operationId }) => ({ operation: this.#cancel(operationId) }),
      retryOperation: async ({ operationId }) => ({ operation: this.#retry(operationId) }),
      listPossessions: async ({ tenantId, orphans }) => {
        this.#requireUp();
        return {
          possessions: this.possessions.filter(
            (possession) => (tenantId === '' || possession.tenantId === tenantId) && (!orphans || possession.orphan),
          ),
        };
      },
      deleteOrphans: async ({ ids }) => {
        const isOrphan = (id: string) => this.possessions.some((possession) => possession.id === id && possession.orphan);
        const deleted = ids.filter(isOrphan);
        const skipped = ids.filter((id) => !isOrphan(id));
        for (const id of deleted)
          this.possessions.splice(
            this.possessions.findIndex((possession) => possession.id === id),
            1,
          );
        return { deleted, skipped };
      },
      getOperation: async ({ operationId }) => ({ operation: this.#find(operationId).operation }),
      listOperations: async ({ pageSize, pageToken, tenantId }) => {
        const matching = this.operations
          .map(({ operation }) => operation)
          .filter((operation) => tenantId === '' || operation.tenantId === tenantId);
        const { page, nextPageToken } = pageOf(matching, pageSize, pageToken);
        return { operations: page, nextPageToken };
      },
      watchOperation: ({ operationId, afterSequence }, { signal }) => this.#watch(operationId, afterSequence, signal),
    });
  }

  addPossession(possession: MessageInitShape<typeof PossessionSchema>): void {
    this.possessions.push(create(PossessionSchema, possession));
  }

  #requireUp(): void {
    if (this.mode === 'down') throw new BurgageError('unavailable');
  }

  /** Starts an operation on a tenant that is served, or finds the one that was asked for under the same key. */
  #ask(kind: string, tenantId: string, key: string, summary: string): Operation {
    this.#requireUp();
    const id = operationIdFromKey(kind, tenantId, key);
    const tenant = this.#registry.find(tenantId);
    const before = this.operations.find(({ operation }) => operation.id === id)?.operation;
    if (before !== undefined && before.summary.split(' ').at(-1) !== summary.split(' ').at(-1)) {
      throw new BurgageError('idempotency_key_reused', {
        message: `The key was used for operation ${id} with something else.`,
        fields: [{ field: 'idempotency_key', description: 'was used before for another change' }],
      });
    }
    if (before === undefined && tenant.state !== TenantState.ACTIVE) {
      throw new BurgageError('transition_not_allowed', {
        message: `The tenant is ${TenantState[tenant.state].toLowerCase()} and allows no ${kind}.`,
      });
    }
    if (before === undefined && kind === 'move' && summary.endsWith(` → ${tenant.isolation}`)) {
      throw new BurgageError('transition_not_allowed', {
        message: `isolation: got "${tenant.isolation}", where the tenant lives already, expected another one`,
        fields: [{ field: 'isolation', description: `got "${tenant.isolation}", where the tenant lives already, expected another one` }],
      });
    }
    return this.#start(kind, id, tenantId, summary);
  }

  /** Starts the operation, or finds it again. */
  #start(kind: string, id: string, tenantId: string, summary: string): Operation {
    const existing = this.operations.find(({ operation }) => operation.id === id);
    if (existing !== undefined) return existing.operation;
    const { steps = [], noReturn = '' } = kinds[kind] ?? {};
    const operation = create(OperationSchema, {
      id,
      kind,
      summary,
      tenantId,
      tenantSlug: this.#registry.find(tenantId).slug,
      state: OperationState.QUEUED,
      steps: steps.map((name) => ({ name, state: StepState.PENDING })),
      createTime: timestampFromDate(new Date()),
      definitionVersion: 1,
      pointOfNoReturn: noReturn,
    });
    this.operations.unshift({ operation, log: [] });
    if (this.mode === 'at_once') while (this.advance(id));
    return operation;
  }

  #cancel(id: string): Operation {
    const { operation } = this.#find(id);
    if (operation.pastReturn || operation.endTime !== undefined) {
      throw new BurgageError('cancel_too_late', { message: `The operation ${id} has passed its step ${operation.pointOfNoReturn}.` });
    }
    operation.state = OperationState.UNDOING;
    this.#write(id, {});
    this.#undo(id);
    this.#end(id, OperationState.CANCELLED);
    return operation;
  }

  #retry(id: string): Operation {
    const { operation } = this.#find(id);
    if (operation.state !== OperationState.NEEDS_ATTENTION) {
      throw new BurgageError('retry_not_possible', { message: `The operation ${id} waits for nothing.` });
    }
    operation.state = OperationState.RUNNING;
    operation.attention = '';
    for (const step of operation.steps) if (step.state === StepState.FAILED) step.state = StepState.PENDING;
    delete operation.endTime;
    this.attentionStep = undefined;
    this.#write(id, {});
    if (this.mode === 'at_once') while (this.advance(id));
    return operation;
  }

  /** Carries the next step out; false when there is none left, or one waits. */
  advance(id: string): boolean {
    const { operation } = this.#find(id);
    if (operation.endTime !== undefined) return false;
    const now = timestampFromDate(new Date());
    if (operation.startTime === undefined) {
      operation.startTime = now;
      operation.state = OperationState.RUNNING;
      this.#write(id, {});
    }
    const step = operation.steps.find(({ state }) => state === StepState.PENDING || state === StepState.WAITING);
    if (step === undefined) {
      this.#end(id, OperationState.SUCCEEDED);
      return false;
    }
    operation.pastReturn ||= step.name === operation.pointOfNoReturn;
    step.startTime ??= now;
    if (step.name === 'grace' && operation.summary !== 'at once' && !this.graceOver) {
      if (step.state === StepState.WAITING) return false;
      const due = new Date(Date.now() + graceDays * 86_400_000);
      operation.dueTime = timestampFromDate(due);
      step.state = StepState.WAITING;
      step.detail = `nothing is removed before ${due.toISOString()}`;
      this.#registry.find(operation.tenantId).state = TenantState.TERMINATING;
      this.#registry.find(operation.tenantId).operationId = id;
      this.#write(id, { step: step.name, attempt: 1, stepState: step.state, detail: step.detail });
      return false;
    }
    step.attempts = 1;
    step.state = StepState.RUNNING;
    this.#write(id, { step: step.name, attempt: 1, stepState: step.state });
    step.endTime = now;
    const failing = step.name === this.failingStep || step.name === this.attentionStep;
    step.state = failing ? StepState.FAILED : notNeeded.has(step.name) ? StepState.NOT_NEEDED : StepState.DONE;
    step.detail = step.name === 'slug' && operation.kind === 'provision' ? operation.tenantSlug : '';
    const error = failing ? { code: 'app_unhealthy', message: 'The application did not become healthy for this tenant.' } : undefined;
    this.#write(id, { step: step.name, attempt: 1, stepState: step.state, detail: step.detail, ...(error === undefined ? {} : { error }) });
    if (error === undefined) return true;
    const failed = create(OperationSchema, { error, steps: [{ error }] });
    operation.error = failed.error;
    step.error = failed.steps[0]?.error;
    if (step.name === this.attentionStep) {
      operation.attention = 'Look at the log of the application, then have it tried again.';
      operation.state = OperationState.NEEDS_ATTENTION;
      operation.endTime = now;
      this.#write(id, {});
      return false;
    }
    operation.state = OperationState.UNDOING;
    this.#undo(id);
    this.#end(id, OperationState.FAILED);
    return false;
  }

  #undo(id: string): void {
    for (const step of this.#find(id).operation.steps.toReversed()) {
      if (step.state !== StepState.DONE && step.state !== StepState.FAILED && step.state !== StepState.WAITING) continue;
      step.state = StepState.UNDONE;
      this.#write(id, { step: step.name, attempt: 1, stepState: step.state, ...(step.error === undefined ? {} : { error: step.error }) });
    }
  }

  #end(id: string, state: OperationState): void {
    const { operation } = this.#find(id);
    const tenant = this.#registry.find(operation.tenantId);
    tenant.version += 1n;
    tenant.operationId = id;
    if (state === OperationState.SUCCEEDED) this.#carryOut(operation, tenant);
    else if (operation.kind !== 'provision') tenant.state = TenantState.ACTIVE;
    else {
      tenant.state = TenantState.FAILED;
      tenant.failure = operation.error?.message ?? '';
      tenant.formerSlug = tenant.slug;
      tenant.slug = '';
    }
    operation.state = state;
    operation.endTime = timestampFromDate(new Date());
    delete operation.dueTime;
    this.#write(id, {});
  }

  #carryOut({ kind, summary }: Operation, tenant: Tenant): void {
    const wanted = summary.split(' ').at(-1) ?? '';
    if (kind === 'provision') {
      tenant.state = TenantState.ACTIVE;
      tenant.isolation = 'pool';
      tenant.hosts = [`${tenant.slug}.localhost`];
      tenant.upstream = 'desk-shared';
    } else if (kind === 'suspend') tenant.holds = [...new Set([...tenant.holds, wanted])];
    else if (kind === 'resume') tenant.holds = tenant.holds.filter((hold) => hold !== wanted);
    else if (kind === 'change_plan') {
      tenant.plan = wanted;
      tenant.pendingIsolation = wanted === 'starter' ? 'bridge' : '';
    } else if (kind === 'move') {
      tenant.isolation = wanted;
      tenant.pendingIsolation = '';
    } else {
      tenant.state = TenantState.TERMINATED;
      tenant.formerSlug = tenant.slug;
      tenant.slug = '';
      tenant.hosts = [];
      tenant.slugQuarantineEndTime = timestampFromDate(new Date(Date.now() + quarantineMs));
    }
  }

  #write(
    id: string,
    entry: { step?: string; attempt?: number; stepState?: StepState; detail?: string; error?: { code: string; message: string } },
  ): void {
    const { operation, log } = this.#find(id);
    operation.sequence = BigInt(log.length + 1);
    log.push(
      create(ProgressSchema, {
        ...entry,
        operationId: id,
        sequence: operation.sequence,
        time: timestampFromDate(new Date()),
        operationState: operation.state,
      }),
    );
    this.#written.ring();
  }

  async *#watch(id: string, afterSequence: bigint, signal: AbortSignal): AsyncGenerator<{ progress: Progress }> {
    const { operation, log } = this.#find(id);
    let next = Number(afterSequence);
    let sent = 0;
    while (!signal.aborted) {
      for (; next < log.length; next++) {
        const progress = log[next];
        if (progress === undefined) break;
        if (sent++ === this.entriesPerStream) throw new BurgageError('unavailable', { message: 'the stream broke' });
        yield { progress };
      }
      if (operation.endTime !== undefined) return;
      await this.#written.wait(20, signal);
    }
  }

  #find(id: string) {
    const found = this.operations.find(({ operation }) => operation.id === id);
    if (found === undefined) throw new BurgageError('operation_not_found', { message: `There is no operation ${JSON.stringify(id)}.` });
    return found;
  }
}
