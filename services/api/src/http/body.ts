// Reads what a request sends: bounded, as JSON in UTF-8, or refused with what is wrong about it.
import { BurgageError, type ErrorCode } from '@burgage/contracts';
import type { MiddlewareHandler } from 'hono';
import { quoted } from '../schemas/common.ts';
import type { ApiEnv } from './env.ts';

/** The largest body of a request. */
const bodyBytesMax = 64 * 1024;

/**
 * Refuses larger bodies, by their length where they say it, else as soon as they are longer. The framework's own limit
 * copies a body without a length into a request that only its own replacement of the global `Request` can make.
 */
const limitBody: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const length = c.req.header('content-length');
  if (length !== undefined && c.req.header('transfer-encoding') === undefined) {
    if (Number(length) > bodyBytesMax) throw tooLarge();
    return next();
  }
  const { body: sent, method, headers, signal } = c.req.raw;
  const body = await readBounded(sent);
  c.req.raw = new Request(c.req.url, { method, headers, signal, body });
  await next();
};

async function readBounded(sent: ReadableStream<Uint8Array> | null): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of sent ?? []) {
    length += chunk.length;
    if (length > bodyBytesMax) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): BurgageError {
  return new BurgageError('body_too_large', { message: `The request body is larger than ${bodyBytesMax} bytes.` });
}

/**
 * Refuses what is not JSON in UTF-8 (RFC 8259, section 8.1), byte for byte: the framework would put U+FFFD in the place of
 * what it cannot decode. What it reads stays with the request for the route's schema.
 */
const requireJson: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const bytes = await c.req.arrayBuffer();
  if (bytes.byteLength === 0) throw refused('malformed_body', 'body', 'is empty');
  requireJsonType(c.req.header('content-type'));
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refused('malformed_body', 'body', 'is not UTF-8');
  }
  try {
    JSON.parse(text);
  } catch (error) {
    throw refused('malformed_body', 'body', `is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  await next();
};

/** A request without a body says nothing, and so nothing wrong. */
const allowNoBody: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (c.req.header('content-type') === undefined && (await c.req.arrayBuffer()).byteLength === 0) await next();
  else await requireJson(c, next);
};

/** What a route with a JSON body goes through before its schema. */
export const jsonBody = [limitBody, requireJson];

/** As `jsonBody`, for a route whose body may be left out: it is `{}` then. */
export const optionalJsonBody = [limitBody, allowNoBody];

function requireJsonType(contentType: string | undefined): void {
  if (contentType === undefined) throw refused('unsupported_media_type', 'Content-Type', 'is missing; expected application/json');
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  if (type !== 'application/json') {
    throw refused('unsupported_media_type', 'Content-Type', `is ${quoted(contentType)}; expected application/json`);
  }
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice('charset='.length)
    .replaceAll('"', '');
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') {
    throw refused('unsupported_media_type', 'Content-Type', `has the charset ${quoted(charset)}; expected utf-8`);
  }
}

function refused(code: ErrorCode, field: string, description: string): BurgageError {
  return new BurgageError(code, { message: `${field}: ${description}`, fields: [{ field, description }] });
}
