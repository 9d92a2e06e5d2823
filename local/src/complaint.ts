// What a process complained of last, from the end of its log: so that its starter can say it and not only where it is said.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const tailBytes = 64 * 1024;

/** The last warning or error of a JSON-lines log since `sinceMs` (milliseconds since 1970), in one sentence; empty where there is none. */
export function lastComplaint(logFile: string, sinceMs: number): string {
  let complaint = '';
  for (const line of tailOf(logFile).split('\n')) {
    const entry = parsed(line);
    if (typeof entry !== 'object' || entry === null) continue;
    const { level, time, msg, err } = entry as Record<string, unknown>;
    if (!['warn', 'error', 'fatal'].includes(String(level)) || !(Date.parse(String(time)) >= sinceMs)) continue;
    const message = typeof err === 'object' && err !== null ? Reflect.get(err, 'message') : undefined;
    complaint = String(message ?? msg ?? '');
  }
  return complaint;
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

/** Undefined where it is no JSON, such as a line that is cut off. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
