// The head of a source: a comment of one sentence that says what the file is for.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Fault, sourcesBelow } from './sources.ts';

/** A sentence may go on over further lines of the comment. */
const linesMax = 4;

/** Every source below `root` that does not open with its sentence. A test is for the file whose name it bears. */
export function headFaults(root: string): readonly Fault[] {
  return sourcesBelow(root, '.')
    .filter((file) => !file.endsWith('.test.ts') && !hasHead(readFileSync(join(root, file), 'utf8')))
    .map((file) => ({ file, line: 1, message: 'does not open with a comment of one sentence that says what it is for' }));
}

/** True when `source` opens, behind a `#!` line if there is one, with a comment that ends as a sentence does. */
export function hasHead(source: string): boolean {
  const lines = source.split('\n');
  const first = lines[0]?.startsWith('#!') ? 1 : 0;
  const afterHead = lines.findIndex((line, index) => index >= first && !line.startsWith('// '));
  const head = lines.slice(first, afterHead === -1 ? lines.length : afterHead);
  return head.slice(0, linesMax).some((line) => /[.:]$/.test(line));
}
