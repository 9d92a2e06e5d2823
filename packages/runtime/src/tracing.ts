// Traces: spans to an OpenTelemetry collector where one is set, and nothing but the passed-on trace context where none is.
import { BurgageError, isBurgageError } from '@burgage/contracts';
import type { Attributes, SpanKind, Tracer } from '@opentelemetry/api';
import { currentContext, runInContext } from './context.ts';
import type { Component } from './process.ts';
import { formatTraceparent, parseTraceparent } from './traceparent.ts';

/** A span that has begun. */
export interface OpenSpan {
  /** What to pass on to those who are called within the span; undefined where there is no trace. */
  readonly traceparent: string | undefined;
  /** Ends it, well or with `error`. */
  end(error?: unknown): void;
}

type OpenTelemetry = typeof import('@opentelemetry/api');

/** Set while a collector is. */
let active: { readonly api: OpenTelemetry; readonly tracer: Tracer } | undefined;

const kinds = { internal: 0, server: 1, client: 2, producer: 3, consumer: 4 } as const satisfies Record<string, SpanKind>;
export type SpanKindName = keyof typeof kinds;

/**
 * Prepares tracing. The OpenTelemetry SDK is loaded only where `OTEL_EXPORTER_OTLP_ENDPOINT` is set; its other standard
 * variables (headers, timeout, compression) are read by the exporter itself. `stop` sends what is still held.
 */
export async function startTracing({
  service,
  env,
}: {
  readonly service: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}): Promise<Component> {
  const endpoint = env.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined || endpoint === '') return { name: 'tracing', start: async () => {}, stop: async () => {} };
  if (!URL.canParse(endpoint)) {
    const description = `${JSON.stringify(endpoint)} is not valid: expected an address such as http://127.0.0.1:4318`;
    throw new BurgageError('config_invalid', {
      message: `OTEL_EXPORTER_OTLP_ENDPOINT: ${description}`,
      fields: [{ field: 'OTEL_EXPORTER_OTLP_ENDPOINT', description }],
    });
  }
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/resources'),
  ]);
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` });
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter })],
  });
  return {
    name: 'tracing',
    start: async () => {
      active = { api, tracer: provider.getTracer('burgage') };
    },
    stop: async () => {
      active = undefined;
      await provider.shutdown();
    },
  };
}

/** Begins a span below the one of the current context. Costs nothing but a property read where no collector is set. */
export function beginSpan(name: string, attributes: Attributes = {}, kind: SpanKindName = 'internal'): OpenSpan {
  const { traceparent } = currentContext();
  if (active === undefined) return { traceparent, end: () => {} };
  const { api, tracer } = active;
  const parent = traceparent === undefined ? undefined : parseTraceparent(traceparent);
  const parentContext =
    parent === undefined
      ? api.ROOT_CONTEXT
      : api.trace.setSpanContext(api.ROOT_CONTEXT, {
          traceId: parent.traceId,
          spanId: parent.spanId,
          traceFlags: parent.flags,
          isRemote: true,
        });
  const span = tracer.startSpan(name, { attributes, kind: kinds[kind] }, parentContext);
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    traceparent: formatTraceparent({ traceId, spanId, flags: traceFlags }),
    end: (error) => {
      if (error !== undefined) {
        if (isBurgageError(error)) span.setAttribute('error.type', error.code);
        span.setStatus({ code: api.SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
      }
      span.end();
    },
  };
}

/** Runs `fn` in a span below the one of the current context; what `fn` calls carries the new span's traceparent. */
export async function withSpan<T>(name: string, attributes: Attributes, fn: () => T | Promise<T>): Promise<T> {
  if (active === undefined) return await fn();
  const span = beginSpan(name, attributes);
  try {
    const result = await runInContext(span.traceparent === undefined ? {} : { traceparent: span.traceparent }, fn);
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}
