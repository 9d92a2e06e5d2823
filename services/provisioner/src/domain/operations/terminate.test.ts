// Holds termination to the tenant as it is when its turn comes, not as it was when somebody asked.
import type { Isolation } from '@burgage/tenancy';
import { expect, test } from 'vitest';
import { checkLeftovers, Simulation, tenantIdOf } from '../../testing/simulation/run.ts';

test.each([
  ['silo', 'pool'],
  ['silo', 'bridge'],
  ['pool', 'silo'],
  ['bridge', 'silo'],
  ['pool', 'bridge'],
] as const)('a tenant that moves from %s to %s is backed up and removed where it lives by then', async (from: Isolation, to: Isolation) => {
  const simulation = new Simulation(1, () => undefined);
  const tenantId = tenantIdOf('moving');
  simulation.world.requested(tenantId, from);
  await simulation.start('one');
  const provision = await simulation.ask({ kind: 'provision', tenantId }, 'provision');
  await simulation.settle([provision.id]);
  const move = await simulation.ask({ kind: 'move', tenantId, to }, 'move');
  const terminate = await simulation.ask({ kind: 'terminate', tenantId }, 'terminate');
  const operations = await simulation.settle([move.id, terminate.id]);
  await simulation.stop();
  expect(operations.map(({ state }) => state)).toEqual(['succeeded', 'succeeded']);
  expect(operations[1]?.log.filter(({ error }) => error)).toEqual([]);
  await checkLeftovers(simulation, operations, new Map());
});
