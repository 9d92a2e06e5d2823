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
const answerBytesMax = 1_048_576;

export function createGatewayAdmin(internalToken: string): GatewayAdmin {
  async function call(method: 'GET' | 'POST', address: string, path: string): Promise<Record<string, unknown>> {
    // A gateway says its address itself: what is more than an address would choose who gets the token, and the path.
    if (!isAddress(address))
      throw new BurgageError('unavailable', { message: `The gateway's admin address is not host:port: ${JSON.stringify(address)}.` });
    let response: Response;
    let body: unknown;
    try {
      response = await fetch(`http://${address}${path}`, {
        method,
        headers: { authorization: `Bearer ${internalToken}`, accept: 'application/json' },
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      body = parsed(await textOf(response));
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

/** True for host:port and nothing else. */
function isAddress(text: string): boolean {
  return /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/.test(text) && URL.canParse(`http://${text}`);
}

/** The body, up to a bound: a gateway's answer is small. */
async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > answerBytesMax) throw new Error(`it answered more than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
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
