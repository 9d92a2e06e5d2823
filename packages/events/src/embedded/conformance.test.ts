// The embedded adapter under the conformance suite.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventsConformance } from '../conformance/index.ts';

eventsConformance('embedded', {
  module: new URL('./conformance-engine.ts', import.meta.url),
  async newPlace() {
    const folder = await mkdtemp(join(tmpdir(), 'burgage-events-'));
    return { place: join(folder, 'events.sqlite'), remove: () => rm(folder, { recursive: true, force: true }) };
  },
});
