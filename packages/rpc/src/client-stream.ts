// Streams as a client reads and writes them: async iterables that go no faster than their slower side.
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf';
import { asBurgageError, type BurgageError, isBurgageError } from '@burgage/contracts';
import { beginSpan, currentContext, type OpenSpan, runInContext } from '@burgage/runtime';
import type { ClientDuplexStream, ClientReadableStream, Metadata } from '@grpc/grpc-js';
import type { Reach } from './breaker.ts';
import { type Budget, exhausted, openBudget, wallDeadline } from './budget.ts';
import { type CalledMethod, type ClientParts, clientAttributes } from './client-parts.ts';
import { writeAll } from './flow.ts';
import { headersOf } from './headers.ts';
import { decode, decodeBy, encode } from './method.ts';
import type { RpcStreamOptions } from './types.ts';

type Init = MessageInitShape<DescMessage>;
type Stream = ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>;

/** The call begins when the result is iterated, in the context of now; leaving the loop cancels it. */
export function openServerStream(
  method: CalledMethod,
  request: Init,
  options: StreamOptions,
  parts: ClientParts,
): AsyncGenerator<unknown, void, undefined> {
  return streamed(method, options, parts, (budget, metadata) => {
    const settings = { metadata, deadline: wallDeadline(budget, parts.clock), signal: budget.signal };
    return { call: parts.transport.serverStream(method.path, encode(method.descriptor.input, request), settings) };
  });
}

/** As `openServerStream`. An error that `requests` throws cancels the call and comes out of the result. */
export function openBidi(
  method: CalledMethod,
  requests: AsyncIterable<Init>,
  options: StreamOptions,
  parts: ClientParts,
): AsyncGenerator<unknown, void, undefined> {
  return streamed(method, options, parts, (budget, metadata) => {
    const settings = { metadata, deadline: wallDeadline(budget, parts.clock), signal: budget.signal };
    const call = parts.transport.bidi(method.path, settings);
    return { call, send: (over) => sendAll(call, method, requests, over) };
  });
}

type StreamOptions = Partial<RpcStreamOptions<unknown>>;

interface Thrown {
  readonly error: unknown;
}

interface Opened {
  readonly call: Stream;
  /** Sends the requests; resolves with what they threw, if they did. */
  readonly send?: (over: AbortSignal) => Promise<Thrown | undefined>;
}

function streamed(
  method: CalledMethod,
  options: StreamOptions,
  parts: ClientParts,
  open: (budget: Budget, metadata: Metadata) => Opened,
): AsyncGenerator<unknown, void, undefined> {
  const context = currentContext();
  const budget = openBudget(options, undefined, parts.clock);
  return runStream(method, options.read, parts, budget, () =>
    runInContext(context, () => {
      const span = beginSpan(method.name, clientAttributes, 'client');
      return { span, open: () => open(budget, headersOf(context, span.traceparent, options.metadata)) };
    }),
  );
}

async function* runStream(
  method: CalledMethod,
  read: StreamOptions['read'],
  parts: ClientParts,
  budget: Budget,
  begin: () => { span: OpenSpan; open: () => Opened },
): AsyncGenerator<unknown, void, undefined> {
  const { clock, transport } = parts;
  const startedAtMs = clock.monotonicMs();
  const { span, open } = begin();
  const over = new AbortController();
  const failureOf = (thrown: unknown) => (isBurgageError(thrown) ? thrown : transport.failure(thrown, budget.signal).error);
  let release = () => {};
  let failed: BurgageError | undefined;
  let requestsThrew: Thrown | undefined;
  try {
    const tooLate = exhausted(budget, clock);
    if (tooLate !== undefined) throw tooLate;
    const { call, send } = await opened(parts, budget, open);
    release = transport.hold(() => call.cancel(), budget.signal);
    void send?.(over.signal).then((thrown) => {
      requestsThrew = thrown;
      if (thrown !== undefined) call.cancel();
    });
    try {
      const { output } = method.descriptor;
      for await (const bytes of call) yield read === undefined ? decode(output, bytes) : decodeBy(read, output, bytes);
    } catch (thrown) {
      throw requestsThrew === undefined ? failureOf(thrown) : asBurgageError(requestsThrew.error);
    } finally {
      call.cancel();
    }
  } catch (thrown) {
    failed = asBurgageError(thrown);
    throw failed;
  } finally {
    over.abort();
    release();
    span.end(failed);
    method.observe(failed?.code ?? 'ok', clock.monotonicMs() - startedAtMs);
  }
}

/** Opens the call through the breaker, which learns from what comes first: headers or an error. */
function opened({ breaker, transport }: ClientParts, { signal }: Budget, open: () => Opened): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const attempt = async () => {
      const stream = open();
      // An error may come before anybody reads.
      stream.call.on('error', () => {});
      resolve(stream);
      return { reach: await firstSign(stream.call, (error) => transport.failure(error, signal).reach) };
    };
    breaker.attempt(attempt).then((result) => {
      if (result === undefined) reject(transport.refusal().error);
    }, reject);
  });
}

function firstSign(call: Stream, reachOf: (error: unknown) => Reach): Promise<Reach> {
  return new Promise((resolve) => {
    call.once('metadata', () => resolve('reached'));
    call.once('error', (error) => resolve(reachOf(error)));
    call.once('status', () => resolve('reached'));
  });
}

async function sendAll(
  call: ClientDuplexStream<Buffer, Buffer>,
  method: CalledMethod,
  requests: AsyncIterable<Init>,
  over: AbortSignal,
): Promise<Thrown | undefined> {
  try {
    if (await writeAll(call, requests, (request) => encode(method.descriptor.input, request), over)) call.end();
    return undefined;
  } catch (error) {
    return over.aborted ? undefined : { error };
  }
}
