// Handlers as grpc-js calls them, one for each kind of method.
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { BurgageError } from '@burgage/contracts';
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
import { type CallSurroundings, OpenCall, type ServedMethod } from './server-call.ts';
import { statusOf } from './status.ts';
import type { RpcCall } from './types.ts';

type Input = MessageShape<DescMessage>;
type Output = MessageInitShape<DescMessage>;
type Sent = Output | Uint8Array;
export type UnaryHandler = (request: Input, call: RpcCall) => Promise<Output>;
export type ServerStreamHandler = (request: Input, call: RpcCall) => AsyncIterable<Sent>;
export type BidiHandler = (requests: AsyncIterable<Input>, call: RpcCall) => AsyncIterable<Sent>;

/** Knows the calls that run: streams can be told to end, and everything can be waited for. */
export interface CallRegister {
  begun(call: OpenCall): void;
  ended(call: OpenCall): void;
}

export function handleUnary(
  served: ServedMethod,
  handler: UnaryHandler,
  surroundings: CallSurroundings,
  register: CallRegister,
): handleUnaryCall<Buffer, Buffer> {
  const { input, output } = served.descriptor;
  return (grpcCall, respond) => {
    const call = new OpenCall(grpcCall, served, surroundings);
    register.begun(call);
    void call.run(async () => {
      try {
        call.authenticate();
        const response = encode(output, await handler(decode(input, grpcCall.request), call));
        call.succeed();
        respond(null, response);
      } catch (thrown) {
        respond(statusOf(call.fail(thrown)));
      } finally {
        register.ended(call);
      }
    });
  };
}

export function handleServerStream(
  served: ServedMethod,
  handler: ServerStreamHandler,
  surroundings: CallSurroundings,
  register: CallRegister,
): handleServerStreamingCall<Buffer, Buffer> {
  const { input } = served.descriptor;
  return (grpcCall) => {
    const call = new OpenCall(grpcCall, served, surroundings);
    stream(grpcCall, call, served, register, () => handler(decode(input, grpcCall.request), call));
  };
}

export function handleBidi(
  served: ServedMethod,
  handler: BidiHandler,
  surroundings: CallSurroundings,
  register: CallRegister,
): handleBidiStreamingCall<Buffer, Buffer> {
  return (grpcCall) => {
    const call = new OpenCall(grpcCall, served, surroundings);
    stream(grpcCall, call, served, register, () => handler(readRequests(grpcCall, call, served), call));
  };
}

/** Sends what the handler yields, as fast as the caller reads it, then how it ended. A stream that a drain stopped has not ended well. */
function stream(
  grpcCall: ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
  call: OpenCall,
  { descriptor: { output } }: ServedMethod,
  register: CallRegister,
  handle: () => AsyncIterable<Sent>,
): void {
  register.begun(call);
  void call.run(async () => {
    try {
      call.authenticate();
      // At once, so that the client knows that the call has arrived.
      grpcCall.sendMetadata(new Metadata());
      const written = await writeAll(grpcCall, handle(), (message) => encode(output, message), call.cut);
      call.signal.throwIfAborted();
      if (!written) throw new BurgageError('cancelled', { message: 'The stream ended before it carried everything.' });
      call.succeed();
      grpcCall.end();
    } catch (thrown) {
      const error = call.fail(thrown);
      if (!call.cut.aborted) grpcCall.emit('error', statusOf(error));
    } finally {
      register.ended(call);
    }
  });
}

/** The caller's messages, read only as fast as the handler takes them. */
async function* readRequests(
  grpcCall: ServerDuplexStream<Buffer, Buffer>,
  call: OpenCall,
  { descriptor: { input } }: ServedMethod,
): AsyncGenerator<Input, void, undefined> {
  try {
    for await (const bytes of grpcCall.iterator({ destroyOnReturn: false })) yield decode(input, bytes);
    // A caller that is gone looks at first like one that has said everything.
    await new Promise((resolve) => setImmediate(resolve));
    call.cut.throwIfAborted();
  } catch (error) {
    // A stream that the end of the call destroyed says nothing about why; the signal does.
    call.cut.throwIfAborted();
    throw error;
  }
}
