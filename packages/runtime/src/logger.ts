// Logs: one JSON object a line, with the ids of the work that wrote it, without secrets, written before the call returns.
import { BurgageError, isBurgageError } from '@burgage/contracts';
import { type Logger as PinoLogger, pino, destination as pinoDestination, stdTimeFunctions } from 'pino';
import { currentContext } from './context.ts';
import { parseTraceparent } from './traceparent.ts';

export type Logger = PinoLogger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface LoggerOptions {
  /** Who writes: `registry`. */
  readonly service: string;
  /** The least level that is written; default `info`. */
  readonly level?: LogLevel;
  /** A file that is appended to, made with mode 600; default is standard output. */
  readonly destination?: string;
}

/** Fields whose name ends like this never reach a log, at any depth: `authorization`, `adminToken`, `set-cookie`, `api_key` … */
const secretName = /(authorization|token|secret|passwords?|passwd|cookies?|credentials?|(api|private|context)[-_]?keys?|secrets|tokens)$/i;
const redacted = '[redacted]';
/** Deeper than this a value is cut off: a log line is not a dump. */
const depthMax = 8;

/**
 * A logger for one service. Each line carries `tenant`, `operation` and `trace` of the context that wrote it. A line is
 * with the operating system when the call returns, so that a crash loses none.
 * @throws BurgageError `config_invalid` where the file cannot be opened.
 */
export function createLogger({ service, level = 'info', destination }: LoggerOptions): Logger {
  const stream = openDestination(destination);
  const logger: Logger = pino(
    {
      level,
      base: { service, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      mixin: contextFields,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => withoutSecrets(fields),
      },
      serializers: { err: (value: unknown) => value },
    },
    stream,
  );
  // Pino does not format what a child is bound to.
  const { child } = logger;
  logger.child = function (this: Logger, bindings, options) {
    return child.call(this, withoutSecrets(bindings), options);
  } as typeof child;
  return logger;
}

function openDestination(file: string | undefined): ReturnType<typeof pinoDestination> {
  try {
    const stream = pinoDestination(
      file === undefined ? { dest: 1, sync: true } : { dest: file, append: true, mkdir: true, mode: 0o600, sync: true },
    );
    // A full disk costs log lines, not the service.
    stream.on('error', () => {});
    return stream;
  } catch (error) {
    throw new BurgageError('config_invalid', {
      message: `The log file ${file} cannot be opened: ${error instanceof Error ? error.message : error}`,
      cause: error,
    });
  }
}

function contextFields(): Record<string, string> {
  const { tenantId, operationId, traceparent } = currentContext();
  const fields: Record<string, string> = {};
  if (tenantId !== undefined) fields.tenant = tenantId;
  if (operationId !== undefined) fields.operation = operationId;
  const trace = traceparent === undefined ? undefined : parseTraceparent(traceparent);
  if (trace !== undefined) fields.trace = trace.traceId;
  return fields;
}

/** `fields` as they may be written: secrets hidden, errors spelled out, bytes counted. */
function withoutSecrets(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, writable(name, value, 0)]));
}

function writable(name: string, value: unknown, depth: number): unknown {
  if (value !== undefined && value !== null && value !== '' && secretName.test(name)) return redacted;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= depthMax) return '[deeper]';
  if (value instanceof Error) return writableError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => writable('', item, depth + 1));
  if (value instanceof Map) return writable('', Object.fromEntries(value), depth);
  if (value instanceof Set) return writable('', [...value], depth);
  if (value instanceof URL) return value.href;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, writable(key, inner, depth + 1)]));
}

function writableError(error: Error, depth: number): Record<string, unknown> {
  const fields: Record<string, unknown> = { name: error.name, message: error.message };
  if (isBurgageError(error)) {
    fields.code = error.code;
    if (error.fields.length > 0) fields.fields = error.fields;
    if (Object.keys(error.metadata).length > 0) fields.metadata = writable('', error.metadata, depth + 1);
  } else if ('code' in error) {
    fields.code = error.code;
  }
  fields.stack = error.stack;
  if (error.cause !== undefined) fields.cause = writable('', error.cause, depth + 1);
  if (error instanceof AggregateError) fields.errors = writable('', error.errors, depth + 1);
  return fields;
}
