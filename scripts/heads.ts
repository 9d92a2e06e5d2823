// The head of a source: one sentence in a comment that says what the file is for.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Fault, sourcesBelow } from './sources.ts';

const sentence = /^\/\/ [A-Z`"'].*[.:]$/;
/** A comment may go on over further lines; the sentence ends in one of them. */
const linesMax = 4;

/** Every source below `root` that does not open with its sentence. */
export function headFaults(root: string): readonly Fault[] {
  return sourcesBelow(root, '.')
    .filter((file) => !hasHead(readFileSync(join(root, file), 'utf8')))
    .map((file) => ({ file, line: 1, message: 'does not open with a comment of one sentence that says what it is for' }));
}

/** True when `source` opens, behind a `#!` line if there is one, with `// Sentence.` */
export function hasHead(source: string): boolean {
  const lines = source.split('\n');
  const first = lines[0]?.startsWith('#!') ? 1 : 0;
  const head = lines.slice(first, first + linesMax);
  const end = head.findIndex((line) => !line.startsWith('// '));
  const comment = head.slice(0, end === -1 ? head.length : end);
  if (comment.length === 0) return false;
  return sentence.test(`// ${comment.map((line) => line.slice(3)).join(' ')}`);
}
