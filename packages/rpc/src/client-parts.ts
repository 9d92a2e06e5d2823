// What every call of one client shares, and what every call of one method.
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
}

/** A method as its client calls it: what is the same for every call. */
export interface CalledMethod {
  readonly descriptor: DescMethod;
  /** `/burgage.registry.v1.RegistryService/GetTenant`. */
  readonly path: string;
  /** Without the slash. */
  readonly name: string;
  /** The contract says that a repeated call does no more than one. */
  readonly idempotent: boolean;
  readonly observe: ObserveCall;
  readonly retried: () => void;
}

/** Of the spans of clients. */
export const clientAttributes = { 'rpc.system': 'grpc' } as const;
