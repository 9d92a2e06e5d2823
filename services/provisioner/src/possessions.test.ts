// Holds what is called an orphan to what nobody owns.
import { beforeEach, expect, test } from 'vitest';
import { Simulation, tenantIdOf } from './testing/simulation/run.ts';
import type { World } from './testing/simulation/world.ts';

const known = tenantIdOf('known');
const signal = new AbortController().signal;

let simulation: Simulation;
let world: World;
beforeEach(() => {
  simulation = new Simulation(1, () => undefined);
  world = simulation.world;
  world.active(known, 'bridge', ['one']);
});

const orphans = async () => (await simulation.possessions.list({ tenantId: '', orphans: true }, signal)).map(({ id }) => id);

test('what was made for a tenant that nobody ever heard of is an orphan, and can be removed', async () => {
  const nobody = tenantIdOf('nobody');
  world.files.add(nobody);
  expect(await orphans()).toEqual([`files/${nobody}`]);
  expect(await simulation.possessions.deleteOrphans([`files/${nobody}`, `files/${known}`], signal)).toEqual({
    deleted: [`files/${nobody}`],
    skipped: [`files/${known}`],
  });
  expect([...world.files]).toEqual([known]);
});

test('nothing is an orphan, and nothing is removed, where the registry has forgotten a tenant that had operations', async () => {
  const { id } = await simulation.ask({ kind: 'suspend', tenantId: known }, 'key');
  await simulation.start('one');
  await simulation.settle([id]);
  await simulation.stop();
  world.tenants.delete(known);
  const lost = { code: 'data_corrupt', message: expect.stringContaining(id) };
  await expect(orphans()).rejects.toMatchObject(lost);
  await expect(simulation.possessions.deleteOrphans([`files/${known}`], signal)).rejects.toMatchObject(lost);
  expect([...world.files]).toEqual([known]);
});
