// What a method's descriptor says about how it is called.
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { BurgageError } from '@burgage/contracts';

/** `/burgage.registry.v1.RegistryService/GetTenant`. */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** The contract says that a repeated call does no more than one. */
export function isIdempotent(method: DescMethod): boolean {
  return method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN;
}

/** The bytes of a message, unless it comes as its bytes. @throws BurgageError `invalid_argument` where the value does not fit its schema. */
export function encode<M extends DescMessage>(schema: M, init: MessageInitShape<M> | Uint8Array): Buffer {
  try {
    const bytes = init instanceof Uint8Array ? init : toBinary(schema, create(schema, init));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (error) {
    throw new BurgageError('invalid_argument', { message: `The value does not fit ${schema.typeName}: ${reason(error)}`, cause: error });
  }
}

/** @throws BurgageError `malformed_body`. */
export function decode<M extends DescMessage>(schema: M, bytes: Uint8Array): MessageShape<M> {
  return decodeBy((whole) => fromBinary(schema, whole), schema, bytes);
}

/** What `read` makes of the bytes of a message. @throws BurgageError `malformed_body` where it throws. */
export function decodeBy<T>(read: (bytes: Uint8Array) => T, schema: DescMessage, bytes: Uint8Array): T {
  try {
    return read(bytes);
  } catch (error) {
    throw new BurgageError('malformed_body', { message: `The bytes are not a valid ${schema.typeName}.`, cause: error });
  }
}

/** grpc-js carries bytes; encoding and decoding is done around it, where errors have a name. */
export function asIs(bytes: Buffer): Buffer {
  return bytes;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
