// What every handler of desk finds in its Hono context.

import type { TenantHandle } from '@burgage/app-kit';
import type { TenantEnv } from '@burgage/app-kit/hono';
import type { Context } from 'hono';

export interface DeskEnv {
  Variables: TenantEnv['Variables'] & {
    /** Names the page's own style sheet in its Content-Security-Policy; another one for each answer. */
    nonce: string;
    /** The tenant's rows. */
    data: TenantHandle;
    /** The e-mail address of whoever is signed in. */
    owner: string | undefined;
    /** The token of that session. */
    sessionToken: string | undefined;
  };
}
export type DeskContext = Context<DeskEnv>;
