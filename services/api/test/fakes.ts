// A registry and a provisioner that live in memory and answer real gRPC: what the api's and the CLI's tests run against.
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  BurgageError,
  type GatewayStatus,
  GatewayStatusSchema,
  type Operation,
  OperationSchema,
  OperationState,
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
import { operationIdFor, slugFromCompany, tenantIdFromKey } from '@burgage/tenancy';

const stepNames = ['slug', 'database', 'files', 'certificate', 'dns', 'route', 'owner', 'health', 'activate', 'mail'];
const notNeeded = new Set(['certificate', 'dns']);
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

  addGateway(gatewayId: string, adminAddress: string, more: { appliedRevision?: bigint; snapshotHeld?: boolean } = {}): void {
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
  /** Streams break off after this many entries, as long as it is set. */
  entriesPerStream: number | undefined;
  readonly operations: { readonly operation: Operation; readonly log: Progress[] }[] = [];
  readonly #registry: FakeRegistry;
  readonly #written = new Doorbell();

  constructor(registry: FakeRegistry) {
    this.#registry = registry;
  }

  service(): RpcImplementation {
    return implement(ProvisionerService, {
      provisionTenant: async ({ tenantId }) => {
        if (this.mode === 'down') throw new BurgageError('unavailable');
        return { operation: this.provision(tenantId) };
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

  /** Starts the operation, or finds it again. */
  provision(tenantId: string): Operation {
    const id = operationIdFor('provision', tenantId);
    const existing = this.operations.find(({ operation }) => operation.id === id);
    if (existing !== undefined) return existing.operation;
    const operation = create(OperationSchema, {
      id,
      kind: 'provision',
      tenantId,
      tenantSlug: this.#registry.find(tenantId).slug,
      state: OperationState.QUEUED,
      steps: stepNames.map((name) => ({ name, state: StepState.PENDING })),
      createTime: timestampFromDate(new Date()),
      definitionVersion: 1,
    });
    this.operations.unshift({ operation, log: [] });
    if (this.mode === 'at_once') while (this.advance(id));
    return operation;
  }

  /** Carries the next step out; false when there is none left. */
  advance(id: string): boolean {
    const { operation } = this.#find(id);
    if (operation.endTime !== undefined) return false;
    const now = timestampFromDate(new Date());
    if (operation.startTime === undefined) {
      operation.startTime = now;
      operation.state = OperationState.RUNNING;
      this.#write(id, {});
    }
    const step = operation.steps.find(({ state }) => state === StepState.PENDING);
    if (step === undefined) {
      this.#end(id, OperationState.SUCCEEDED);
      return false;
    }
    step.attempts = 1;
    step.startTime = now;
    step.state = StepState.RUNNING;
    this.#write(id, { step: step.name, attempt: 1, stepState: step.state });
    step.endTime = now;
    step.state = step.name === this.failingStep ? StepState.FAILED : notNeeded.has(step.name) ? StepState.NOT_NEEDED : StepState.DONE;
    step.detail = step.name === 'slug' ? operation.tenantSlug : '';
    const error =
      step.state === StepState.FAILED
        ? { code: 'app_unhealthy', message: 'The application did not become healthy for this tenant.' }
        : undefined;
    this.#write(id, { step: step.name, attempt: 1, stepState: step.state, detail: step.detail, ...(error === undefined ? {} : { error }) });
    if (error === undefined) return true;
    const failed = create(OperationSchema, { error, steps: [{ error }] });
    operation.error = failed.error;
    step.error = failed.steps[0]?.error;
    operation.state = OperationState.UNDOING;
    for (const done of operation.steps.toReversed()) {
      if (done.state !== StepState.DONE && done.state !== StepState.FAILED) continue;
      done.state = StepState.UNDONE;
      this.#write(id, { step: done.name, attempt: 1, stepState: done.state, ...(done === step ? { error } : {}) });
    }
    this.#end(id, OperationState.FAILED);
    return false;
  }

  #end(id: string, state: OperationState): void {
    const { operation } = this.#find(id);
    const tenant = this.#registry.find(operation.tenantId);
    tenant.version += 1n;
    tenant.operationId = id;
    if (state === OperationState.SUCCEEDED) {
      tenant.state = TenantState.ACTIVE;
      tenant.isolation = 'pool';
      tenant.hosts = [`${tenant.slug}.localhost`];
      tenant.upstream = 'desk-shared';
    } else {
      tenant.state = TenantState.FAILED;
      tenant.failure = operation.error?.message ?? '';
      tenant.formerSlug = tenant.slug;
      tenant.slug = '';
    }
    operation.state = state;
    operation.endTime = timestampFromDate(new Date());
    this.#write(id, {});
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
