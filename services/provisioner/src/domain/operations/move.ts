// The move operation: a tenant's rows to another isolation, whole or not at all, with its address closed meanwhile.
import { BurgageError } from '@burgage/contracts';
import type { Isolation } from '@burgage/tenancy';
import { done, notNeeded, type OperationDefinition, type StepContext } from '../definition.ts';
import { isOver, type Operation } from '../operation.ts';
import type { Digest, Infrastructure, TenantStanding } from '../ports.ts';
import {
  bulkCopy,
  bulkRemoval,
  type FrozenTenant,
  hourMs,
  instanceNameOf,
  type Kit,
  notAllowed,
  platformCall,
  processStart,
} from './kit.ts';

export type MoveInput = { readonly tenant: FrozenTenant; readonly from: Isolation; readonly to: Isolation };

/**
 * Where a move begins that is asked for now: where the last move before it ends that has not ended yet, or where the tenant lives.
 * @throws BurgageError `transition_not_allowed` where that is `to`.
 */
export function moveFrom({ isolation }: TenantStanding, waiting: readonly Operation[], to: Isolation): Isolation {
  const goesOn = (operation: Operation): boolean => !isOver(operation) && operation.state !== 'undoing' && !operation.cancelledAt;
  const before = waiting.findLast((operation) => operation.kind === 'move' && goesOn(operation));
  const from = before ? (before.input as MoveInput).to : (isolation as Isolation);
  if (from !== to) return from;
  const already = before ? `is on its way to isolation ${to} already, with operation ${before.id}` : `lives in isolation ${to} already`;
  throw notAllowed(`The tenant ${already}.`, { isolation });
}

/** @throws BurgageError `copy_differs` naming the first table that does. */
export function checkSame(what: string, source: Digest, copy: Digest): void {
  for (const table of new Set([...Object.keys(source), ...Object.keys(copy)])) {
    const [from, to] = [source[table], copy[table]];
    if (from && to && from.rows === to.rows && from.hash === to.hash) continue;
    throw new BurgageError('copy_differs', {
      message: `${what}: the table ${table} has ${to?.rows ?? 'no'} rows, expected the ${from?.rows ?? 'no'} of its source with the same content.`,
      metadata: { table },
    });
  }
}

/** Rows of all tables. */
export function rowsOf(digest: Digest): number {
  return Object.values(digest).reduce((sum, { rows }) => sum + rows, 0);
}

/**
 * The target is made while the tenant is still served, and its address is closed only for as long as its rows need. Until
 * `open` the source has everything, and nobody writes to the target: whatever goes wrong, the tenant goes back to where it
 * was. From `open` on the target has the truth, and what is left is to take the source away.
 */
export function moveDefinition({ tenants, app, compute }: Infrastructure, kit: Kit): OperationDefinition<MoveInput> {
  type Context = StepContext<MoveInput>;
  const appAt = ({ input, signal }: Context, isolation: Isolation) => kit.addressOf(input.tenant.id, isolation, signal);

  async function routeTo({ input, fence, signal }: Context, isolation: Isolation): Promise<string> {
    const { upstream } = kit.seatOf(input.tenant.id, isolation);
    const { revision } = await tenants.putRoute(input.tenant.id, { upstream, isolation }, fence, signal);
    await kit.shownByAll(revision, signal);
    return upstream;
  }

  /** Nobody is sent to the instance any more. */
  async function removeInstance({ input, fence, signal }: Context): Promise<void> {
    const name = instanceNameOf(input.tenant.id);
    await kit.shownByAll(await tenants.removeUpstream(name, fence, signal), signal);
    await compute.remove(name, fence, signal);
  }

  return {
    kind: 'move',
    version: 1,
    pointOfNoReturn: 'open',
    deadlineMs: 24 * hourMs,
    steps: [
      {
        name: 'check',
        ...platformCall,
        async run({ input, signal }) {
          const tenant = await kit.active(input.tenant.id, 'moved', signal);
          if (tenant.isolation !== input.from)
            throw notAllowed(`The tenant lives in isolation ${tenant.isolation}, expected ${input.from}.`);
          return done(`${input.from} → ${input.to}`);
        },
      },
      {
        name: 'compute',
        ...processStart,
        async run({ input, fence, signal }) {
          if (input.to !== 'silo') return notNeeded('the shared app');
          const name = instanceNameOf(input.tenant.id);
          const { address, detail } = await compute.ensure({ name, tenantId: input.tenant.id }, fence, signal);
          await tenants.putUpstream(name, address, fence, signal);
          return done(detail);
        },
        async undo(context) {
          if (context.input.to !== 'silo') return;
          await removeInstance(context);
          await compute.release(instanceNameOf(context.input.tenant.id), context.fence, context.signal);
        },
      },
      {
        name: 'database',
        ...platformCall,
        async run(context) {
          const { input, fence, signal } = context;
          const target = await appAt(context, input.to);
          await app.prepare(target, { ...input.tenant, isolation: input.to }, fence, signal);
          await app.freeze(target, input.tenant.id, 'it is being moved here', fence, signal);
          return done('schema and scope');
        },
        async undo(context) {
          const { input, fence, signal } = context;
          // What an instance has goes with it.
          if (input.to !== 'silo') await app.remove(await appAt(context, input.to), input.tenant.id, fence, signal);
        },
      },
      {
        name: 'hold',
        ...platformCall,
        async run({ input, fence, signal }) {
          return done(await kit.shown(await tenants.setMoving(input.tenant.id, true, fence, signal), signal));
        },
        async undo({ input, fence, signal }) {
          await tenants.setMoving(input.tenant.id, false, fence, signal);
        },
      },
      {
        name: 'freeze',
        ...platformCall,
        async run(context) {
          const { input, fence, signal } = context;
          await app.freeze(await appAt(context, input.from), input.tenant.id, 'it is being moved', fence, signal);
          return done('the source takes no more writes');
        },
        async undo(context) {
          await app.thaw(await appAt(context, context.input.from), context.input.tenant.id, context.fence, context.signal);
        },
      },
      {
        name: 'copy',
        ...bulkCopy,
        async run(context) {
          const { input, fence, signal } = context;
          const archive = await app.archive(await appAt(context, input.from), input.tenant.id, signal);
          const copy = await app.restore(await appAt(context, input.to), input.tenant.id, archive, fence, signal);
          return done(`${rowsOf(copy)} rows`);
        },
      },
      {
        name: 'compare',
        ...bulkCopy,
        async run(context) {
          const { input, signal } = context;
          const digestAt = async (isolation: Isolation) => await app.digest(await appAt(context, isolation), input.tenant.id, signal);
          // At once: the tenant is closed meanwhile.
          const [source, copy] = await Promise.all([digestAt(input.from), digestAt(input.to)]);
          checkSame('the copy', source, copy);
          return done(`${rowsOf(source)} rows in ${Object.keys(source).length} tables are the same`);
        },
      },
      {
        name: 'switch',
        ...platformCall,
        async run(context) {
          return done(`→ ${await routeTo(context, context.input.to)}`);
        },
        async undo(context) {
          await routeTo(context, context.input.from);
        },
      },
      {
        name: 'open',
        ...platformCall,
        async run(context) {
          const { input, fence, signal } = context;
          await app.thaw(await appAt(context, input.to), input.tenant.id, fence, signal);
          return done('the target takes writes');
        },
      },
      {
        name: 'release',
        ...platformCall,
        async run({ input, fence, signal }) {
          return done(await kit.shown(await tenants.setMoving(input.tenant.id, false, fence, signal), signal));
        },
      },
      {
        name: 'source',
        ...bulkRemoval,
        async run(context) {
          const { input, fence, signal } = context;
          if (input.from === 'silo') await removeInstance(context);
          else await app.remove(await appAt(context, input.from), input.tenant.id, fence, signal);
          return done('removed');
        },
      },
      {
        name: 'port',
        ...platformCall,
        async run({ input, fence, signal }) {
          if (input.from !== 'silo') return notNeeded('the shared app');
          await compute.release(instanceNameOf(input.tenant.id), fence, signal);
          return done('free again');
        },
      },
    ],
  };
}
