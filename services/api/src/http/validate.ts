// Refuses a request that does not fit its route's schemas, with every problem at once.
import type { Hook, z } from '@hono/zod-openapi';
import type { ApiEnv } from './env.ts';
import { errorFromMisfits } from './problem.ts';

/**
 * The hook of a route. The framework looks at one part of a request after the other and stops at the first that does not
 * fit; where that is the headers, the `body` is looked at here, so that its problems are not left for the next try.
 */
// biome-ignore lint/suspicious/noExplicitAny: the framework's own type of a hook that serves every route
export function refuseInvalid(body?: z.ZodType): Hook<any, ApiEnv, any, any> {
  return async (result, c) => {
    if (result.success) return;
    const first = { issues: result.error.issues, input: inputOf(result) };
    if (result.target !== 'header' || body === undefined) throw errorFromMisfits(first);
    const input: unknown = await c.req.json().catch(() => undefined);
    const also = input === undefined ? undefined : body.safeParse(input);
    throw also?.error === undefined ? errorFromMisfits(first) : errorFromMisfits(first, { issues: also.error.issues, input });
  };
}

/** The framework hands over what it looked at as `data`, also where it did not fit. */
function inputOf(result: object): unknown {
  return 'data' in result ? result.data : undefined;
}
