// What a process complained of last, from the end of its log: so that its starter can say it and not only where it is said.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const tailBytes = 64 * 1024;

/** The last warning or error of a JSON-lines log since `sinceMs` (milliseconds since 1970), in one sentence; empty where there is none. */
export function lastComplaint(logFile: string, sinceMs: number): string {
  let complaint = '';
  for (const line of tailOf(logFile).split('\n')) {
    const entry = entryIn(line);
    if (entry !== undefined && Date.parse(String(entry.time)) >= sinceMs) complaint = complaintOf(entry) || complaint;
  }
  return complaint;
}

/** What a line of a log complains of; empty for an entry in JSON that is no warning. What a terminal would obey is replaced. */
export function complaintIn(line: string): string {
  const entry = entryIn(line);
  return entry === undefined ? shown(line) : complaintOf(entry);
}

function complaintOf({ level, msg, err }: Readonly<Record<string, unknown>>): string {
  if (!['warn', 'error', 'fatal'].includes(String(level))) return '';
  const message = typeof err === 'object' && err !== null ? Reflect.get(err, 'message') : undefined;
  return shown(String(message ?? msg ?? ''));
}

/** Apps write what they like, and what they said last is put on a terminal. */
function shown(text: string): string {
  return text.trim().replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

function tailOf(file: string): string {
  let handle: number;
  try {
    handle = openSync(file, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(handle);
    const bytes = Buffer.alloc(Math.min(size, tailBytes));
    return bytes.toString('utf8', 0, readSync(handle, bytes, 0, bytes.length, size - bytes.length));
  } finally {
    closeSync(handle);
  }
}

/** Undefined where it is no object in JSON, such as a line that is cut off. */
function entryIn(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
