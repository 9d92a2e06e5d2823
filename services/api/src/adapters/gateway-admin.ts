// Talks to the admin endpoints of gateways, with the internal token.
import { BurgageError, type ErrorCode, isErrorCode } from '@burgage/contracts';

export interface GatewayAdmin {
  /** What the gateway at `address` (host:port) would do with `url`. @throws BurgageError, `unavailable` where it cannot be reached. */
  explain(address: string, url: string): Promise<Record<string, unknown>>;
  /** Lets the gateway at `address` apply the snapshot that it holds back; false where it holds none. @throws as `explain`. */
  acceptSnapshot(address: string): Promise<boolean>;
  /** Lines of JSON about requests as they end, once the gateway has begun; until the signal is aborted. @throws as `explain`. */
  tap(address: string, query: URLSearchParams, signal: AbortSignal): Promise<AsyncIterable<string>>;
}

/** One gateway is asked for no longer than this. */
const timeoutMs = 3_000;
const answerBytesMax = 1_048_576;

export function createGatewayAdmin(internalToken: string): GatewayAdmin {
  async function call(method: 'GET' | 'POST', address: string, path: string): Promise<Record<string, unknown>> {
    const response = await open(method, address, path, AbortSignal.timeout(timeoutMs));
    return await answerOf(response);
  }

  /** Up to the head of the answer. */
  async function open(method: 'GET' | 'POST', address: string, path: string, signal: AbortSignal): Promise<Response> {
    // A gateway says its address itself: what is more than an address would choose who gets the token, and the path.
    if (!isAddress(address))
      throw new BurgageError('unavailable', { message: `The gateway's admin address is not host:port: ${JSON.stringify(address)}.` });
    try {
      return await fetch(`http://${address}${path}`, {
        method,
        headers: { authorization: `Bearer ${internalToken}`, accept: 'application/json' },
        redirect: 'error',
        signal,
      });
    } catch (cause) {
      throw noAnswer(cause);
    }
  }

  async function answerOf(response: Response): Promise<Record<string, unknown>> {
    let body: unknown;
    try {
      body = parsed(await textOf(response));
    } catch (cause) {
      throw noAnswer(cause);
    }
    const answer = isRecord(body) ? body : {};
    if (response.ok) return answer;
    throw refusal(response.status, answer);
  }

  return {
    explain: (address, url) => call('GET', address, `/explain?url=${encodeURIComponent(url)}`),
    tap: async (address, query, signal) => {
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(), timeoutMs);
      try {
        const response = await open('GET', address, `/tap?${query}`, AbortSignal.any([signal, late.signal]));
        if (!response.ok) await answerOf(response);
        return linesOf(response);
      } finally {
        clearTimeout(timer);
      }
    },
    acceptSnapshot: async (address) => (await call('POST', address, '/snapshot/accept')).accepted === true,
  };
}

function noAnswer(cause: unknown): BurgageError {
  return new BurgageError('unavailable', { message: 'The gateway did not answer on its admin address.', cause });
}

/** The lines of a body that does not end. */
async function* linesOf(response: Response): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of response.body ?? []) {
    rest += decoder.decode(bytes, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > answerBytesMax) throw new Error(`it has a line of more than ${answerBytesMax} characters`);
    yield* lines;
  }
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
