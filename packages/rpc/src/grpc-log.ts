// Keeps grpc-js from writing to standard error by itself: what it has to say reaches us as errors.
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';

/** Unless somebody looks for something with grpc-js's own variables. */
export function quietGrpc(): void {
  if (process.env.GRPC_VERBOSITY === undefined && process.env.GRPC_TRACE === undefined) setLogVerbosity(logVerbosity.NONE);
}
