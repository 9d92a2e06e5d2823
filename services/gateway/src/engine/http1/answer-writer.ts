// Writes an answer of the gateway itself.
import { STATUS_CODES } from 'node:http';
import type { Answer } from '../../domain/answers.ts';
import type { WriteBuffer } from './write-buffer.ts';

export interface AnswerFraming {
  /** Another request may follow on the connection. */
  readonly keeps: boolean;
  readonly httpVersion: '1.0' | '1.1';
  /** HEAD gets the head alone. */
  readonly hasBody: boolean;
}

export function writeAnswer(out: WriteBuffer, { status, headers, body }: Answer, { keeps, httpVersion, hasBody }: AnswerFraming): void {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  if (!keeps) head += 'Connection: close\r\n';
  else if (httpVersion === '1.0') head += 'Connection: keep-alive\r\n';
  out.text(`${head}\r\n`);
  if (hasBody) out.utf8(body);
}
