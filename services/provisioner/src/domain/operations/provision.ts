// The provision operation: from a requested tenant to one whose address answers.
import type { Isolation } from '@burgage/tenancy';
import { done, notNeeded, type OperationDefinition, type Step } from '../definition.ts';
import type { Infrastructure } from '../ports.ts';
import { type FrozenTenant, healthRetry, hourMs, instanceNameOf, type Kit, platformCall, processStart, resultOf } from './kit.ts';

export type ProvisionInput = { readonly tenant: FrozenTenant };

export function provisionDefinitions(infrastructure: Infrastructure, kit: Kit): readonly OperationDefinition<ProvisionInput>[] {
  const { tenants, app, compute, databases, files, certificates, dns, mail, urlOf } = infrastructure;
  const isSilo = ({ isolation }: FrozenTenant): boolean => isolation === 'silo';
  const appOf = ({ tenant }: ProvisionInput, signal: AbortSignal) => kit.addressOf(tenant.id, tenant.isolation, signal);

  const steps: readonly Step<ProvisionInput>[] = [
    {
      name: 'slug',
      ...platformCall,
      async run({ input, fence, signal }) {
        await tenants.beginProvisioning(input.tenant.id, fence, signal);
        return done(input.tenant.slug);
      },
      async undo({ input, reason, fence, signal }) {
        await tenants.fail(input.tenant.id, reason ?? 'The tenant could not be provisioned.', fence, signal);
      },
    },
    {
      name: 'compute',
      ...processStart,
      async run({ input: { tenant }, fence, signal }) {
        if (!isSilo(tenant)) return notNeeded('the shared app');
        const name = instanceNameOf(tenant.id);
        const { address, detail } = await compute.ensure({ name, tenantId: tenant.id }, fence, signal);
        await tenants.putUpstream(name, address, fence, signal);
        return done(detail);
      },
      async undo({ input: { tenant }, fence, signal }) {
        if (!isSilo(tenant)) return;
        const name = instanceNameOf(tenant.id);
        await kit.shownByAll(await tenants.removeUpstream(name, fence, signal), signal);
        await compute.remove(name, fence, signal);
        await compute.release(name, fence, signal);
      },
    },
    {
      name: 'database',
      ...platformCall,
      async run({ input, fence, signal }) {
        const provided = await databases.ensure(input.tenant, input.tenant.isolation as Isolation);
        await app.prepare(await appOf(input, signal), input.tenant, fence, signal);
        // The app has made something in any case: its schema, and the scope of the tenant's rows.
        return done(provided.needed ? provided.detail : 'schema and scope');
      },
      async undo({ input, fence, signal }) {
        // What an instance has goes with it.
        if (!isSilo(input.tenant)) await app.remove(await appOf(input, signal), input.tenant.id, fence, signal);
      },
    },
    {
      name: 'files',
      ...platformCall,
      run: async ({ input, fence }) => resultOf(await files.ensure(input.tenant.id, fence)),
      undo: ({ input, fence }) => files.remove(input.tenant.id, fence),
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
      async run({ input: { tenant }, fence, signal }) {
        const { upstream } = await kit.addressOf(tenant.id, tenant.isolation, signal);
        const { hosts } = await tenants.putRoute(tenant.id, { upstream, isolation: tenant.isolation as Isolation }, fence, signal);
        return done(`${hosts.join(', ')} → ${upstream}`);
      },
      async undo({ input, fence, signal }) {
        await tenants.removeRoute(input.tenant.id, fence, signal);
      },
    },
    {
      name: 'owner',
      ...platformCall,
      async run({ input, fence, signal }) {
        await app.putOwner(await appOf(input, signal), input.tenant.id, input.tenant.ownerEmail, fence, signal);
        return done(input.tenant.ownerEmail);
      },
      async undo({ input, fence, signal }) {
        if (!isSilo(input.tenant)) await app.removeOwner(await appOf(input, signal), input.tenant.id, fence, signal);
      },
    },
    {
      name: 'health',
      timeoutMs: 5_000,
      retry: healthRetry,
      async run({ input, signal }) {
        await app.checkReady(await appOf(input, signal), input.tenant, signal);
        return done('the app serves this tenant');
      },
    },
    {
      name: 'activate',
      ...platformCall,
      async run({ input, fence, signal }) {
        return done(await kit.shown(await tenants.activate(input.tenant.id, fence, signal), signal));
      },
    },
    {
      name: 'mail',
      ...platformCall,
      async run({ input, operationId, fence, signal }) {
        const { tenant } = input;
        const path = await app.inviteOwner(await appOf(input, signal), tenant.id, fence, signal);
        const url = urlOf(tenant.slug);
        return resultOf(
          await mail.send(operationId, {
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
  const common = { kind: 'provision', pointOfNoReturn: 'activate', deadlineMs: 2 * hourMs } as const;
  return [
    { ...common, version: 2, steps },
    // Of the time when every tenant was in the shared app; operations of it may still run.
    { ...common, version: 1, steps: steps.filter(({ name }) => name !== 'compute') },
  ];
}
