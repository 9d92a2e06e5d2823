// The settings of a desk process, from its environment.
import { isTenantId } from '@burgage/app-kit';
import { z } from 'zod';

const schema = z.object({
  BURGAGE_APP_ADDRESS: z.string().regex(/^[^\s:]+:\d{1,5}$/, 'expected host:port, for example 127.0.0.1:9100'),
  BURGAGE_UPSTREAM: z.string().min(1, 'expected the name of the upstream that this process serves'),
  BURGAGE_JWKS_URL: z.url({ protocol: /^https?$/, error: 'expected an http or https address' }),
  BURGAGE_APP_DATA: z.string().min(1, 'expected a folder'),
  BURGAGE_TENANT: z.string().refine(isTenantId, 'expected the id of a tenant, or nothing').optional(),
});

export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly upstream: string;
  readonly jwksUrl: string;
  readonly dataFolder: string;
  /** The only tenant that this process serves, from a database of its own; undefined: whoever comes. */
  readonly tenantId: string | undefined;
}

/** Throws an Error with one line for each variable that is missing or wrong. */
export function readSettings(environment: Record<string, string | undefined>): Settings {
  const result = schema.safeParse(environment);
  if (!result.success) throw new Error(result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'));
  const { BURGAGE_APP_ADDRESS, BURGAGE_UPSTREAM, BURGAGE_JWKS_URL, BURGAGE_APP_DATA, BURGAGE_TENANT } = result.data;
  const [host = '', port = ''] = BURGAGE_APP_ADDRESS.split(':');
  return {
    host,
    port: Number(port),
    upstream: BURGAGE_UPSTREAM,
    jwksUrl: BURGAGE_JWKS_URL,
    dataFolder: BURGAGE_APP_DATA,
    tenantId: BURGAGE_TENANT,
  };
}
