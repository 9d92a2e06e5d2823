// Talks to the admin endpoints of gateways, with the internal token.
import { BurgageError, type ErrorCode, isErrorCode } from '@burgage/contracts';

export interface GatewayAdmin {
  /** What the gateway at `address` (host:port) would do with `url`. @throws BurgageError, `unavailable` where it cannot be reached. */
  explain(address: string, url: string): Promise<Record<string, unknown>>;
  /** Lets the gateway at `address` apply the snapshot that it holds back; false where it holds none. @throws as `explain`. */
  acceptSnapshot(address: string): Promise<boolean>;
}

/** One gateway is asked for no longer than this. */
const timeoutMs = 3_000;

export function createGatewayAdmin(internalToken: string): GatewayAdmin {
  async function call(method: 'GET' | 'POST', address: string, path: string): Promise<Record<string, unknown>> {
    let response: Response;
    let body: unknown;
    try {
      response = await fetch(`http://${address}${path}`, {
        method,
        headers: { authorization: `Bearer ${internalToken}`, accept: 'application/json' },
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      body = parsed(await response.text());
    } catch (cause) {
      throw new BurgageError('unavailable', { message: 'The gateway did not answer on its admin address.', cause });
    }
    const answer = isRecord(body) ? body : {};
    if (response.ok) return answer;
    throw refusal(response.status, answer);
  }

  return {
    explain: (address, url) => call('GET', address, `/explain?url=${encodeURIComponent(url)}`),
    acceptSnapshot: async (address) => (await call('POST', address, '/snapshot/accept')).accepted === true,
  };
}

/** The gateway's own error where it is one of the catalogue and the caller's; else `unavailable`, with the answer as cause. */
function refusal(status: number, answer: Record<string, unknown>): BurgageError {
  const { code, detail } = answer;
  const passedOn =
    typeof code === 'string' && isErrorCode(code) && status !== 401 && status !== 403 ? (code satisfies ErrorCode) : undefined;
  if (passedOn !== undefined) return new BurgageError(passedOn, typeof detail === 'string' ? { message: detail } : {});
  return new BurgageError('unavailable', {
    message: 'The gateway refused the question.',
    cause: new Error(`it answered ${status}: ${JSON.stringify(answer).slice(0, 500)}`),
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
