// What takes part in the comparison: a proxy that serves a world.
import type { RunningServer } from '@burgage/lab';
import type { World } from '../world.ts';

export interface Contestant {
  readonly name: string;
  /** Takes part in these cases only; absent: in all. */
  readonly cases?: readonly string[];
  /** Its code is compiled while it works. Default false. */
  readonly compilesAtWork?: boolean;
  /** With as many workers as one core keeps busy. */
  start(world: World): Promise<RunningServer>;
}

/** The name of the access log, of those that write a file, in the server's folder. */
export const accessLog = 'access.log';
