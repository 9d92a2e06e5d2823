// Talks to the HTTP API: answers as values, problems as failures, progress as events.
import { type Connection, isAlive, notRunning } from './connection.ts';
import { readEvents, type ServerEvent } from './events.ts';
import { CommandFailure, failure, type ToldProblem } from './failure.ts';
import type { Terminal } from './terminal.ts';

export interface Client {
  /** The JSON that GET answers; `query` leaves out what is undefined. @throws CommandFailure with the API's problem. */
  get<T>(path: string, query?: Readonly<Record<string, string | undefined>>): Promise<T>;
  post<T>(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<T>;
  delete<T>(path: string, body: unknown): Promise<T>;
  /** The events of a stream, from the one after `lastEventId` on. Ends when the stream does. */
  events(path: string, lastEventId: string, signal: AbortSignal): AsyncGenerator<ServerEvent>;
}

const timeoutMs = 30_000;
/** A running Burgage whose API refuses the connection is asked again for this long: it may be starting the API again. */
const patienceMs = 3_000;
const retryMs = 200;

/** `connect` is asked at every try: a Burgage that was started again listens elsewhere. */
export function createClient(connect: () => Connection, sleep: Terminal['sleep']): Client {
  async function request(path: string, init: RequestInit, connection: Connection): Promise<Response> {
    const { api, token, dataFolder, pid } = connection;
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${token}`);
    let response: Response;
    try {
      response = await fetch(api + path, { ...init, headers, redirect: 'manual' });
    } catch (cause) {
      if (init.signal?.aborted && !isTimeout(init.signal.reason)) throw cause;
      if (dataFolder !== undefined && reasonOf(cause) === 'ECONNREFUSED') {
        throw pid !== undefined && isAlive(pid) ? apiAway(pid, cause) : notRunning(dataFolder, cause);
      }
      throw failure('unavailable', {
        message: `${api} cannot be reached (${isTimeout(init.signal?.reason) ? 'no answer in time' : reasonOf(cause)}).`,
        cause,
      });
    }
    if (!response.ok) throw problemFailure(response, parsed(await response.text()), connection);
    return response;
  }

  /** As `request`; what never reached the API is asked again for a while. */
  async function patientRequest(path: string, init: RequestInit): Promise<Response> {
    for (let waitedMs = 0; ; waitedMs += retryMs) {
      try {
        return await request(path, { ...init, signal: AbortSignal.timeout(timeoutMs) }, connect());
      } catch (error) {
        if (!(error instanceof ApiAway) || waitedMs >= patienceMs) throw error;
        await sleep(retryMs);
      }
    }
  }

  async function json<T>(path: string, init: RequestInit): Promise<T> {
    const response = await patientRequest(path, init);
    const body = parsed(await response.text());
    if (body === undefined) throw notTheApi(response);
    // The API's document and its tests hold the shape; the command shows what it gets.
    return body as T;
  }

  function send<T>(method: 'POST' | 'DELETE', path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<T> {
    return json(path, {
      method,
      headers: { ...headers, accept: 'application/json', 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  function problemFailure(response: Response, body: unknown, { tokenFrom }: Connection): CommandFailure {
    if (!isProblem(body)) return notTheApi(response);
    if (body.code !== 'unauthenticated') return new CommandFailure(body);
    return new CommandFailure({ ...body, advice: `Check ${tokenFrom}: the token that was sent comes from there.` });
  }

  function notTheApi({ url, status }: Response): CommandFailure {
    return failure('unavailable', {
      message: `${url} answered ${status} with something that is not Burgage's API.`,
      advice: 'Check the address.',
    });
  }

  return {
    get: (path, query = {}) => {
      const wanted = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
      return json(wanted.length === 0 ? path : `${path}?${new URLSearchParams(wanted)}`, { headers: { accept: 'application/json' } });
    },
    post: (path, body, headers = {}) => send('POST', path, body, headers),
    delete: (path, body) => send('DELETE', path, body),
    async *events(path, lastEventId, signal) {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (lastEventId !== '') headers['last-event-id'] = lastEventId;
      const response = await request(path, { headers, signal }, connect());
      if (response.body !== null) yield* readEvents(response.body);
    },
  };
}

/** Burgage runs, and nothing listens where its API was. */
class ApiAway extends CommandFailure {}

function apiAway(pid: number, cause: unknown): ApiAway {
  const { problem } = failure('unavailable', { message: `Burgage (process ${pid}) runs, but its API does not answer.`, cause });
  return new ApiAway(problem);
}

function isProblem(body: unknown): body is ToldProblem {
  if (typeof body !== 'object' || body === null) return false;
  const texts = ['title', 'detail', 'code', 'advice'].every((name) => typeof Reflect.get(body, name) === 'string');
  return texts && typeof Reflect.get(body, 'status') === 'number';
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === 'TimeoutError';
}

/** `ECONNREFUSED`, `ENOTFOUND` …: what lies beneath fetch's own "fetch failed". */
function reasonOf(error: unknown): string {
  let reason = error;
  while (reason instanceof Error && reason.cause !== undefined) reason = reason.cause;
  if (reason instanceof Error && 'code' in reason) return String(reason.code);
  return reason instanceof Error ? reason.message : String(reason);
}
