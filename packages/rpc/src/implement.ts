// A service's handlers, ready to be served.
import type { DescService } from '@bufbuild/protobuf';
import type { RpcHandlers } from './types.ts';

/** What `createRpcServer` serves; made by `implement`. */
export interface RpcImplementation {
  readonly service: DescService;
  readonly handlers: Readonly<Record<string, unknown>>;
}

/** Joins `handlers` with the descriptor that their types come from. */
export function implement<S extends DescService>(service: S, handlers: RpcHandlers<S>): RpcImplementation {
  return { service, handlers };
}
