// The certificate that all proxies of a measurement serve: the same key, of the same kind, costs each the same.
import { join } from 'node:path';
import { createDevelopmentCa } from '@burgage/rpc';
import { systemClock, systemRandom } from '@burgage/runtime';
import type { TlsPair } from './world.ts';

export async function makeTlsPair(folder: string): Promise<TlsPair> {
  const authority = await createDevelopmentCa({ folder: join(folder, 'ca'), clock: systemClock, random: systemRandom });
  const { certFile, keyFile } = await authority.issue('bench');
  return { certFile, keyFile, name: 'bench.burgage.internal' };
}
