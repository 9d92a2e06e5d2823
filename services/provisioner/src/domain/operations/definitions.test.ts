// Definitions that operations were recorded with: what has changed since has a new version, and what was recorded is carried on.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ManualClock } from '@burgage/runtime';
import { expect, test } from 'vitest';
import { SimulatedProcess } from '../../testing/simulation/process.ts';
import { Simulation } from '../../testing/simulation/run.ts';
import { sharedUpstream, World } from '../../testing/simulation/world.ts';
import type { TenantOperations } from '../tenant-operations.ts';
import { operationDefinitions } from './index.ts';

const golden = join(import.meta.dirname, 'golden');

function definitions() {
  const clock = new ManualClock();
  const infrastructure = new World().infrastructure(new SimulatedProcess('test', clock, () => undefined));
  return operationDefinitions({ infrastructure, sharedUpstream, clock });
}

test('a definition whose steps have changed has a new version', async () => {
  const now = Object.fromEntries(
    definitions().map(({ kind, version, pointOfNoReturn, steps }) => [
      `${kind}@${version}`,
      { pointOfNoReturn, steps: steps.map(({ name, undo }) => (undo ? `${name}, undone` : name)) },
    ]),
  );
  const recorded = JSON.parse(await readFile(join(golden, 'definitions.json'), 'utf8'));
  // A version that was released stays as it is: operations of it may still run. What is new is added to the file.
  expect(now).toEqual(recorded);
});

test('every recorded operation is carried to its end by this code', async () => {
  const files = (await readdir(golden)).filter((file) => file !== 'definitions.json');
  expect(files).toContain('provision-1.json');
  for (const file of files) {
    const records: Record<string, TenantOperations> = JSON.parse(await readFile(join(golden, file), 'utf8'));
    for (const [what, record] of Object.entries(records)) {
      const simulation = new Simulation(1, () => undefined);
      const [operation] = record.queue;
      if (!operation) throw new Error(`${file}: "${what}" has no operation`);
      const tenant = simulation.world.requested(record.tenantId, 'pool');
      const isBegun = operation.steps[0]?.state === 'done';
      if (isBegun) tenant.state = 'provisioning';
      await simulation.repository.tenants.insert(record.tenantId, record, simulation.repository.consequencesOf(undefined, operation));
      await simulation.repository.relay.flushAll();
      await simulation.start('one');
      const [ended] = await simulation.settle([operation.id]);
      await simulation.stop();
      expect(ended?.state, `${file}: ${what}`).toBe(operation.state === 'undoing' ? 'failed' : 'succeeded');
      expect(ended?.log.slice(0, operation.log.length), `${file}: ${what}`).toEqual(operation.log);
      expect(simulation.world.tenants.get(record.tenantId)?.state).toBe(operation.state === 'undoing' ? 'failed' : 'active');
    }
  }
});
