// What every call of one client shares.
import type { DescMethod } from '@bufbuild/protobuf';
import type { Clock, Random } from '@burgage/runtime';
import type { Breaker } from './breaker.ts';
import type { ObserveCall } from './metrics.ts';
import type { Transport } from './transport.ts';

export interface ClientParts {
  readonly transport: Transport;
  readonly breaker: Breaker;
  readonly clock: Clock;
  readonly random: Random;
  readonly timeoutMs: number;
  readonly observe: ObserveCall;
  readonly retried: (method: DescMethod) => void;
}
