// Dedicated: whether this platform gives tenants databases and processes of their own at all.
import { z } from 'zod';
import type { Isolation } from './isolation.ts';

/** The isolation that a plan gives here: where dedicated instances are switched off, every plan gives `pool`. */
export function entitledIsolation(isolation: Isolation, dedicated: boolean): Isolation {
  return dedicated ? isolation : 'pool';
}

/** The setting of whoever has to know. */
export const dedicatedSetting = {
  flag: 'dedicated',
  env: 'BURGAGE_DEDICATED',
  schema: z.enum(['on', 'off'], { error: 'expected on or off' }).transform((text) => text === 'on'),
  default: 'on',
  description: 'on or off: whether tenants get the isolation of their plan; off means that every plan gets pool',
} as const;
