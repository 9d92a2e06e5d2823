// The terminate operation: a backup that reads back, then everything of the tenant goes.
import { done, notNeeded, type OperationDefinition, type StepContext, waits } from '../definition.ts';
import type { AppAddress, Infrastructure } from '../ports.ts';
import { bulkCopy, bulkRemoval, type FrozenTenant, instanceNameOf, type Kit, platformCall } from './kit.ts';
import { checkSame, rowsOf } from './move.ts';

export type TerminateInput = {
  readonly tenant: FrozenTenant;
  /** RFC 3339: before it nothing is removed. */
  readonly notBefore: string;
};

/** Where the last backup of a tenant is. */
export function archiveNameOf(tenantId: string, operationId: string): string {
  return `${tenantId}/${operationId}`;
}

export function terminateDefinition(
  { tenants, app, compute, files, archives }: Infrastructure,
  kit: Kit,
  now: () => Date,
): OperationDefinition<TerminateInput> {
  type Context = StepContext<TerminateInput>;

  /** As it is now: since this was asked for, a move that was asked for before may have ended. */
  async function isolationOf({ input, signal }: Context): Promise<string> {
    return (await tenants.get(input.tenant.id, signal)).isolation;
  }

  const isSilo = async (context: Context): Promise<boolean> => (await isolationOf(context)) === 'silo';

  async function appOf(context: Context): Promise<AppAddress> {
    return await kit.addressOf(context.input.tenant.id, await isolationOf(context), context.signal);
  }

  return {
    kind: 'terminate',
    version: 1,
    pointOfNoReturn: 'route',
    steps: [
      {
        name: 'begin',
        ...platformCall,
        async run({ input, fence, signal }) {
          return done(await kit.shown(await tenants.beginTerminating(input.tenant.id, fence, signal), signal));
        },
        async undo({ input, fence, signal }) {
          const { state } = await tenants.get(input.tenant.id, signal);
          // It may never have begun: an operation before this one has closed the tenant. An active one is told all the same, so
          // that what its beginning may still bring about is refused.
          if (state === 'terminating' || state === 'active') await tenants.activate(input.tenant.id, fence, signal);
        },
      },
      {
        name: 'grace',
        ...platformCall,
        async run({ input }) {
          const until = new Date(input.notBefore);
          return until > now() ? waits(until, `nothing is removed before ${input.notBefore}`) : done('over');
        },
      },
      {
        name: 'freeze',
        ...platformCall,
        async run(context) {
          await app.freeze(await appOf(context), context.input.tenant.id, 'it is being closed', context.fence, context.signal);
          return done('takes no more writes');
        },
        async undo(context) {
          await app.thaw(await appOf(context), context.input.tenant.id, context.fence, context.signal);
        },
      },
      {
        name: 'backup',
        ...bulkCopy,
        async run(context) {
          const { input, operationId, fence, signal } = context;
          const name = archiveNameOf(input.tenant.id, operationId);
          const archive = await app.archive(await appOf(context), input.tenant.id, signal);
          const { bytes } = await archives.write(name, archive, fence, input.tenant.id, signal);
          return done(`${bytes} bytes as ${name}`);
        },
        async undo({ input, operationId, fence }) {
          await archives.remove(archiveNameOf(input.tenant.id, operationId), fence, input.tenant.id);
        },
      },
      {
        name: 'verify',
        ...bulkCopy,
        async run(context) {
          const { input, operationId, signal } = context;
          const source = await app.digest(await appOf(context), input.tenant.id, signal);
          const backup = await app.digestOfArchive(archives.read(archiveNameOf(input.tenant.id, operationId), signal));
          checkSame('the backup', source, backup);
          return done(`${rowsOf(backup)} rows read back`);
        },
      },
      {
        name: 'route',
        ...platformCall,
        async run({ input, fence, signal }) {
          const revision = await tenants.removeRoute(input.tenant.id, fence, signal);
          await kit.shownByAll(revision, signal);
          return done(`gone with revision ${revision}`);
        },
      },
      {
        name: 'compute',
        ...platformCall,
        async run(context) {
          const { input, fence, signal } = context;
          if (!(await isSilo(context))) return notNeeded('the shared app');
          const name = instanceNameOf(input.tenant.id);
          await kit.shownByAll(await tenants.removeUpstream(name, fence, signal), signal);
          await compute.remove(name, fence, signal);
          return done('stopped and removed');
        },
      },
      {
        name: 'port',
        ...platformCall,
        async run(context) {
          if (!(await isSilo(context))) return notNeeded('the shared app');
          await compute.release(instanceNameOf(context.input.tenant.id), context.fence, context.signal);
          return done('free again');
        },
      },
      {
        name: 'database',
        ...bulkRemoval,
        async run(context) {
          if (await isSilo(context)) return notNeeded('went with its process');
          await app.remove(await appOf(context), context.input.tenant.id, context.fence, context.signal);
          return done('removed');
        },
      },
      {
        name: 'files',
        ...platformCall,
        async run({ input, fence }) {
          await files.remove(input.tenant.id, fence);
          return done('removed');
        },
      },
      {
        name: 'slug',
        ...platformCall,
        async run({ input, fence, signal }) {
          await tenants.terminated(input.tenant.id, fence, signal);
          return done(`${input.tenant.slug} is in quarantine`);
        },
      },
    ],
  };
}
