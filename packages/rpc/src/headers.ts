// What calls carry beside the message: trace context, and whose work it is.
import { invalidField } from '@burgage/contracts';
import type { Context } from '@burgage/runtime';
import { Metadata } from '@grpc/grpc-js';

const traceparentKey = 'traceparent';
const tenantKey = 'burgage-tenant';
const operationKey = 'burgage-operation';

/** @throws BurgageError `invalid_argument` where `extra` has what a header cannot carry. */
export function headersOf(context: Context, traceparent: string | undefined, extra: Readonly<Record<string, string>> = {}): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(extra)) {
    try {
      metadata.set(name, value);
    } catch {
      throw invalidField(`metadata.${name}`, 'expected a lower-case name and a value of printable ASCII');
    }
  }
  if (traceparent !== undefined) metadata.set(traceparentKey, traceparent);
  if (context.tenantId !== undefined) metadata.set(tenantKey, context.tenantId);
  if (context.operationId !== undefined) metadata.set(operationKey, context.operationId);
  return metadata;
}

/** The ids and the trace that a caller sent. */
export function contextOf(metadata: Metadata): Pick<Context, 'tenantId' | 'operationId' | 'traceparent'> {
  const tenantId = header(metadata, tenantKey);
  const operationId = header(metadata, operationKey);
  const traceparent = header(metadata, traceparentKey);
  return {
    ...(tenantId === undefined ? {} : { tenantId }),
    ...(operationId === undefined ? {} : { operationId }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

/** One value as text; undefined where there is none. */
export function header(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name.toLowerCase());
  return typeof value === 'string' ? value : value?.toString('base64');
}
