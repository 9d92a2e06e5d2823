// Handlers as grpc-js calls them, one for each kind of method.
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type ServerDuplexStream,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { writeAll } from './flow.ts';
import { decode, encode } from './method.ts';
import { type CallSurroundings, OpenCall } from './server-call.ts';
import { statusOf } from './status.ts';
import type { RpcCall } from './types.ts';

type Input = MessageShape<DescMessage>;
type Output = MessageInitShape<DescMessage>;
export type UnaryHandler = (request: Input, call: RpcCall) => Promise<Output>;
export type ServerStreamHandler = (request: Input, call: RpcCall) => AsyncIterable<Output>;
export type BidiHandler = (requests: AsyncIterable<Input>, call: RpcCall) => AsyncIterable<Output>;

/** Knows the calls that run: streams can be told to end, and everything can be waited for. */
export interface CallRegister {
  /** Counts `work` until it settles; `call` is given for streams. */
  track(work: Promise<void>, call?: OpenCall): void;
}

export function handleUnary(
  method: DescMethod,
  handler: UnaryHandler,
  surroundings: CallSurroundings,
  register: CallRegister,
): handleUnaryCall<Buffer, Buffer> {
  return (grpcCall, respond) => {
    const call = new OpenCall(grpcCall, method, surroundings);
    const work = async () => {
      try {
        const response = encode(method.output, await handler(decode(method.input, grpcCall.request), call));
        call.succeed();
        respond(null, response);
      } catch (thrown) {
        respond(statusOf(call.fail(thrown)));
      }
    };
    register.track(call.run(work));
  };
}

export function handleServerStream(
  method: DescMethod,
  handler: ServerStreamHandler,
  surroundings: CallSurroundings,
  register: CallRegister,
): handleServerStreamingCall<Buffer, Buffer> {
  return (grpcCall) => {
    const call = new OpenCall(grpcCall, method, surroundings);
    register.track(
      call.run(() => stream(grpcCall, call, method, () => handler(decode(method.input, grpcCall.request), call))),
      call,
    );
  };
}

export function handleBidi(
  method: DescMethod,
  handler: BidiHandler,
  surroundings: CallSurroundings,
  register: CallRegister,
): handleBidiStreamingCall<Buffer, Buffer> {
  return (grpcCall) => {
    const call = new OpenCall(grpcCall, method, surroundings);
    register.track(
      call.run(() => stream(grpcCall, call, method, () => handler(readRequests(grpcCall, call, method), call))),
      call,
    );
  };
}

/** Sends what the handler yields, as fast as the caller reads it, then how it ended. A stream that a drain stopped has not ended well. */
async function stream(
  grpcCall: ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
  call: OpenCall,
  method: DescMethod,
  handle: () => AsyncIterable<Output>,
): Promise<void> {
  try {
    // At once, so that the client knows that the call has arrived.
    grpcCall.sendMetadata(new Metadata());
    await writeAll(grpcCall, handle(), (message) => encode(method.output, message), call.cut);
    call.signal.throwIfAborted();
    call.succeed();
    grpcCall.end();
  } catch (thrown) {
    const error = call.fail(thrown);
    if (!call.cut.aborted) grpcCall.emit('error', statusOf(error));
  }
}

/** The caller's messages, read only as fast as the handler takes them. */
async function* readRequests(
  grpcCall: ServerDuplexStream<Buffer, Buffer>,
  call: OpenCall,
  method: DescMethod,
): AsyncGenerator<Input, void, undefined> {
  try {
    for await (const bytes of grpcCall.iterator({ destroyOnReturn: false })) yield decode(method.input, bytes);
    // A caller that is gone looks at first like one that has said everything.
    await new Promise((resolve) => setImmediate(resolve));
    call.cut.throwIfAborted();
  } catch (error) {
    // A stream that the end of the call destroyed says nothing about why; the signal does.
    call.cut.throwIfAborted();
    throw error;
  }
}
