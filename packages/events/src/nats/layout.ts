// Where everything of one namespace is on a server: the names of streams, the subjects on the wire.
import { createHash } from 'node:crypto';
import { BurgageError, invalidField } from '@burgage/contracts';

const namespacePattern = /^[a-z0-9][a-z0-9-]{0,31}$/;
/** The first token of every subject where no namespace is given. */
const productRoot = 'burgage';

export type Layout = ReturnType<typeof layoutOf>;

/**
 * Without a namespace subjects are on the wire as they are, and all begin with `burgage.`; in a namespace they have a token
 * before them. What the adapter publishes for itself begins with a token that no filter of a consumer reaches.
 *
 * @throws BurgageError `config_invalid` where `namespace` is not 1 to 32 lower-case letters, digits and hyphens.
 */
export function layoutOf(namespace: string | undefined) {
  if (namespace !== undefined && !namespacePattern.test(namespace)) {
    throw new BurgageError('config_invalid', {
      message: `namespace: got ${JSON.stringify(namespace)}, expected 1 to 32 lower-case letters, digits and hyphens`,
    });
  }
  const base = namespace === undefined ? productRoot : `${productRoot}-${namespace}`;
  const eventsStream = `${base}-events`;

  /** The filter on the wire; undefined where no event of this namespace can match it. */
  function wireFilter(filter: string): string | undefined {
    if (namespace !== undefined) return `${base}.${filter}`;
    if (filter === '>') return `${productRoot}.>`;
    const [first, ...rest] = filter.split('.');
    return rest.length > 0 && (first === '*' || first === productRoot) ? [productRoot, ...rest].join('.') : undefined;
  }

  return {
    eventsStream,
    deadLettersStream: `${base}-dead-letters`,
    exhaustedStream: `${base}-exhausted`,
    eventSubjects: [`${base}.>`, `${base}_replay.>`],
    deadLetterSubjectAny: `${base}_dead.>`,
    /** What the server says when it gives an event up; it says so once, to whoever listens. */
    exhaustedSubjectAny: `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.${eventsStream}.>`,

    /** Without a namespace only subjects that begin with `burgage.` are stored. @throws BurgageError `invalid_argument`. */
    eventSubject(subject: string): string {
      if (namespace !== undefined) return `${base}.${subject}`;
      if (subject.startsWith(`${productRoot}.`)) return subject;
      throw invalidField('subject', `${JSON.stringify(subject)} came, expected one that begins with ${productRoot}.`);
    },

    /** A consumer's own subject: what is published there nobody else gets. */
    replaySubject: (consumer: string) => `${base}_replay.${consumer}`,

    /** What a consumer that asks for `subjects` gets: none of the filters is part of another, as the server demands. */
    consumerFilters(consumer: string, subjects: readonly string[]): readonly string[] {
      const filters = new Set(subjects.map(wireFilter).filter((filter) => filter !== undefined));
      const widest = [...filters].filter((filter) => ![...filters].some((other) => other !== filter && covers(other, filter)));
      return [...widest.toSorted(), `${base}_replay.${consumer}`];
    },

    /** The subject of a dead letter: the same for the same delivery of the same event, whoever finds it dead. */
    deadLetterSubject: (deadLetterId: string) => `${base}_dead.${deadLetterId}`,
    deadLetterSubjectsOf: (consumer: string) => `${base}_dead.${consumer}.>`,
  };
}

/** The id of the dead letter of one delivered message: an event that is replayed and dies again is another. */
export function deadLetterIdOf(consumer: string, eventId: string, sequence: number): string {
  const digest = createHash('sha256').update(`${sequence} ${eventId}`).digest('base64url');
  return `${consumer}.${digest.slice(0, 16)}`;
}

export const deadLetterIdPattern = /^[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{16}$/;

/** True when every subject that `narrow` matches is matched by `wide`. */
function covers(wide: string, narrow: string): boolean {
  const wideTokens = wide.split('.');
  const narrowTokens = narrow.split('.');
  for (const [index, token] of wideTokens.entries()) {
    const other = narrowTokens[index];
    if (other === undefined) return false;
    if (token === '>') return true;
    if (other === '>') return false;
    if (token !== '*' && token !== other) return false;
  }
  return wideTokens.length === narrowTokens.length;
}
