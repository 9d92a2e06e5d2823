// The provision operation: from a requested tenant to one whose address answers.
import { BurgageError } from '@burgage/contracts';
import type { Clock } from '@burgage/runtime';
import { done, notNeeded, type OperationDefinition, type RetryPolicy, type Step, type StepContext, type StepResult } from './definition.ts';
import type { Fence, Infrastructure, Provided, TenantSummary } from './ports.ts';

/** Frozen into the operation when it is created. */
export type ProvisionInput = {
  readonly tenant: { readonly [Field in keyof TenantSummary]: string };
  /** The upstream that will serve the tenant. */
  readonly upstream: string;
};

/** Calls within the platform: short, and tried for most of a minute where they fail at once. */
const platformCall = { timeoutMs: 5_000, retry: { attemptsMax: 16, backoffMs: 100, backoffMaxMs: 10_000 } } as const;
/** An app may still be starting: asked often at first, for about a minute. */
const healthRetry: RetryPolicy = { attemptsMax: 25, backoffMs: 100, backoffMaxMs: 5_000 };
/** How long `activate` waits for the gateways to show the tenant before it lets them catch up by themselves. */
const gatewaysWaitMs = 2_000;
/** Between two looks at them: mostly the first finds what it looks for; a gateway that is away must not be asked for all the time. */
const gatewaysPauseMsMax = 160;

function fenceOf(context: StepContext<unknown>): Fence {
  return { operationId: context.operationId, token: context.fencingToken };
}

function resultOf(provided: Provided): StepResult {
  return provided.needed ? done(provided.detail) : notNeeded(provided.reason);
}

/** The provision operation for tenants in the shared app (isolation pool). */
export function provisionDefinition(infrastructure: Infrastructure, clock: Clock): OperationDefinition<ProvisionInput> {
  const { tenants, app, databases, files, certificates, dns, mail, urlOf } = infrastructure;

  async function endpointOf({ input, signal }: StepContext<ProvisionInput>): Promise<string> {
    const [endpoint] = await tenants.endpoints(input.upstream, signal);
    if (!endpoint) throw new BurgageError('no_endpoint', { message: `The upstream ${input.upstream} has no endpoint.` });
    return endpoint;
  }

  /** Waits, within bounds, until every connected gateway shows `revision`. */
  async function gatewaysShow(revision: number, signal: AbortSignal): Promise<boolean> {
    const giveUpAtMs = clock.monotonicMs() + gatewaysWaitMs;
    for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, gatewaysPauseMsMax)) {
      // Not knowing is no reason to fail: the tenant is active, and gateways catch up by themselves.
      const gateways = await tenants.gatewaysAt(revision, signal).catch(() => undefined);
      if (gateways && gateways.behind === 0 && gateways.applied > 0) return true;
      if (clock.monotonicMs() >= giveUpAtMs || signal.aborted) return false;
      await clock.sleep(pauseMs, signal);
    }
  }

  const steps: readonly Step<ProvisionInput>[] = [
    {
      name: 'slug',
      ...platformCall,
      async run(context) {
        await tenants.beginProvisioning(context.input.tenant.id, fenceOf(context), context.signal);
        return done(context.input.tenant.slug);
      },
      async undo(context) {
        const reason = context.reason ?? 'The tenant could not be provisioned.';
        await tenants.fail(context.input.tenant.id, reason, fenceOf(context), context.signal);
      },
    },
    {
      name: 'database',
      ...platformCall,
      async run(context) {
        const provided = await databases.ensure(context.input.tenant);
        await app.prepare(await endpointOf(context), context.input.tenant, context.signal);
        // The app has made something in any case: its schema, and the scope of the tenant's rows.
        return done(provided.needed ? provided.detail : 'schema and scope');
      },
      async undo(context) {
        await app.remove(await endpointOf(context), context.input.tenant.id, context.signal);
      },
    },
    {
      name: 'files',
      ...platformCall,
      run: async ({ input }) => resultOf(await files.ensure(input.tenant.id)),
      undo: ({ input }) => files.remove(input.tenant.id),
    },
    {
      name: 'certificate',
      ...platformCall,
      run: async ({ input }) => resultOf(await certificates.ensure(urlOf(input.tenant.slug))),
    },
    {
      name: 'dns',
      ...platformCall,
      run: async ({ input }) => resultOf(await dns.ensure(urlOf(input.tenant.slug))),
    },
    {
      name: 'route',
      ...platformCall,
      async run(context) {
        await endpointOf(context);
        const hosts = await tenants.putRoute(context.input.tenant.id, context.input.upstream, fenceOf(context), context.signal);
        return done(`${hosts.join(', ')} → ${context.input.upstream}`);
      },
      async undo(context) {
        await tenants.removeRoute(context.input.tenant.id, fenceOf(context), context.signal);
      },
    },
    {
      name: 'owner',
      ...platformCall,
      async run(context) {
        await app.putOwner(await endpointOf(context), context.input.tenant.id, context.input.tenant.ownerEmail, context.signal);
        return done(context.input.tenant.ownerEmail);
      },
      async undo(context) {
        await app.removeOwner(await endpointOf(context), context.input.tenant.id, context.signal);
      },
    },
    {
      name: 'health',
      timeoutMs: 5_000,
      retry: healthRetry,
      async run(context) {
        const endpoint = await endpointOf(context);
        await app.checkReady(endpoint, context.input.tenant, context.signal);
        return done('the app serves this tenant');
      },
    },
    {
      name: 'activate',
      ...platformCall,
      async run(context) {
        const revision = await tenants.activate(context.input.tenant.id, fenceOf(context), context.signal);
        const shown = await gatewaysShow(revision, context.signal);
        return done(shown ? `routes at revision ${revision}` : `routes at revision ${revision}; a gateway is still catching up`);
      },
    },
    {
      name: 'mail',
      ...platformCall,
      async run(context) {
        const { tenant } = context.input;
        const path = await app.inviteOwner(await endpointOf(context), tenant.id, context.signal);
        const url = urlOf(tenant.slug);
        return resultOf(
          await mail.send(context.operationId, {
            to: tenant.ownerEmail,
            subject: `${tenant.company} is ready`,
            text: [
              'Hello,',
              `the workspace of ${tenant.company} is ready at ${url}`,
              `Choose your password here; the link works once, for seven days:\n\n  ${url}${path}`,
            ].join('\n\n'),
          }),
        );
      },
    },
  ];
  return { kind: 'provision', version: 1, steps, pointOfNoReturn: 'activate' };
}
