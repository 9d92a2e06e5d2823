// The memory of everything in idle.
import { pssMiB } from '@burgage/lab';
import type { Platform } from '../stories/platform.ts';
import type { Figure } from './figures.ts';

const settleMs = 3_000;

/** One figure a process and their sum; none where the system has no /proc. */
export async function idleMemory(platform: Platform): Promise<Figure[]> {
  await new Promise((wake) => setTimeout(wake, settleMs));
  const processes = {
    supervisor: platform.pid,
    control: await platform.pidOf('control'),
    gateway: await platform.pidOf('gateway'),
    app: await platform.pidOf('desk-shared'),
  };
  try {
    const each = await Promise.all(
      Object.entries(processes).map(async ([name, pid]) => ({ what: `idle memory (PSS): ${name}`, value: await pssMiB(pid), unit: 'MiB' })),
    );
    return [...each, { what: 'idle memory (PSS): everything', value: each.reduce((sum, { value }) => sum + value, 0), unit: 'MiB' }];
  } catch {
    return [];
  }
}
