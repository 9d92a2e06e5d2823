// Subjects: which are valid, and which a consumer's filter matches.
import { invalidField } from '@burgage/contracts';

const subjectPattern = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
const filterPattern = /^(?:[A-Za-z0-9_-]+|\*)(?:\.(?:[A-Za-z0-9_-]+|\*))*(?:\.>)?$|^>$/;
const subjectLengthMax = 255;

/** @throws BurgageError `invalid_argument` where `subject` is not tokens of letters, digits, `_` and `-` joined by dots, at most 255 characters. */
export function checkSubject(subject: string): void {
  if (subject.length > subjectLengthMax || !subjectPattern.test(subject)) {
    throw invalidField(
      'subject',
      `${JSON.stringify(subject)} came, expected tokens of letters, digits, _ and - joined by dots, at most ${subjectLengthMax} characters`,
    );
  }
}

/**
 * A predicate that is true for the subjects that one of `filters` matches. A token `*` stands for exactly one token, a last
 * token `>` for one or more.
 *
 * Source: NATS, subject-based messaging. @throws BurgageError `invalid_argument`.
 */
export function compileSubjects(filters: readonly string[]): (subject: string) => boolean {
  if (filters.length === 0) throw invalidField('subjects', 'none came, expected at least one');
  const exact = new Set<string>();
  const wild: string[][] = [];
  for (const filter of filters) {
    if (filter.length > subjectLengthMax || !filterPattern.test(filter)) {
      throw invalidField('subjects', `${JSON.stringify(filter)} came, expected a subject, with * for one token or a last > for the rest`);
    }
    const tokens = filter.split('.');
    if (tokens.some((token) => token === '*' || token === '>')) wild.push(tokens);
    else exact.add(filter);
  }
  return (subject) => {
    if (exact.has(subject)) return true;
    if (wild.length === 0) return false;
    const tokens = subject.split('.');
    return wild.some((filter) => matches(filter, tokens));
  };
}

function matches(filter: readonly string[], subject: readonly string[]): boolean {
  for (const [index, token] of filter.entries()) {
    if (token === '>') return subject.length > index;
    if (index >= subject.length || (token !== '*' && token !== subject[index])) return false;
  }
  return filter.length === subject.length;
}
