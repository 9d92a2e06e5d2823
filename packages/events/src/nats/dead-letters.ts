// The dead letters: one stored message each, kept until it is replayed or discarded.
import type { Clock } from '@burgage/runtime';
import type { SeqMsgRequest, StoredMsg } from '@nats-io/jetstream';
import { consumerNotFound, deadLetterNotFound } from '../checks.ts';
import type { DeadLetter, Event } from '../port.ts';
import type { Broker } from './broker.ts';
import { consumerInfo } from './consumers.ts';
import { isMessageGone } from './faults.ts';
import { deadLetterIdOf, deadLetterIdPattern } from './layout.ts';
import { escapeText, eventOf, headersOf, unescapeText } from './message.ts';

export interface Burial {
  readonly consumer: string;
  readonly event: Event;
  /** Of the delivered message in its stream. */
  readonly sequence: number;
  readonly attempts: number;
  readonly reason: string;
}

export class DeadLetters {
  readonly #broker: Broker;
  readonly #clock: Clock;

  constructor(broker: Broker, clock: Clock) {
    this.#broker = broker;
    this.#clock = clock;
  }

  /** Once for one delivered message, whoever finds it dead; the first reason stays. */
  async bury({ consumer, event, sequence, attempts, reason }: Burial): Promise<void> {
    const { layout } = this.#broker;
    const headers = headersOf(event);
    headers.set('burgage-attempts', String(attempts));
    headers.set('burgage-reason', escapeText(reason));
    headers.set('burgage-time', this.#clock.now().toISOString());
    await this.#broker.publish({
      stream: layout.deadLettersStream,
      subject: layout.deadLetterSubject(deadLetterIdOf(consumer, event.id, sequence)),
      data: event.data,
      headers,
      onlyFirst: true,
    });
  }

  /** Oldest first. */
  async list(limit: number): Promise<readonly DeadLetter[]> {
    const letters: DeadLetter[] = [];
    // Less than any.
    let next = 1;
    while (letters.length < limit) {
      const stored = await this.#get({ seq: next, next_by_subj: this.#broker.layout.deadLetterSubjectAny });
      if (stored === undefined) break;
      next = stored.seq + 1;
      const letter = letterOf(stored);
      if (letter !== undefined) letters.push(letter);
    }
    return letters;
  }

  /** @throws BurgageError `not_found` where there is no such letter, or no such consumer. */
  async replay(deadLetterId: string): Promise<void> {
    const { manager, layout } = this.#broker;
    const stored = await this.#find(deadLetterId);
    const letter = letterOf(stored);
    if (letter === undefined) throw deadLetterNotFound(deadLetterId);
    const { consumer, event } = letter;
    const info = await this.#broker.attempt('look for the consumer', () => consumerInfo(manager, layout.eventsStream, consumer));
    if (info === undefined) throw consumerNotFound(consumer);
    // First there, then no more here: killed in between, it is delivered twice rather than never.
    const headers = headersOf(event);
    await this.#broker.publish({
      stream: layout.eventsStream,
      subject: layout.replaySubject(consumer),
      data: event.data,
      headers,
      // No id of an event has a space here: those are escaped.
      messageId: `replay ${stored.seq} ${headers.get('ce-id')}`,
    });
    await this.#remove(stored);
  }

  /** @throws BurgageError `not_found`. */
  async discard(deadLetterId: string): Promise<void> {
    await this.#remove(await this.#find(deadLetterId));
  }

  /** Discards all of a consumer. */
  async forget(consumer: string): Promise<void> {
    const { manager, layout } = this.#broker;
    await this.#broker.attempt('forget dead letters', () =>
      manager.streams.purge(layout.deadLettersStream, { filter: layout.deadLetterSubjectsOf(consumer) }),
    );
  }

  async #find(deadLetterId: string): Promise<StoredMsg> {
    if (!deadLetterIdPattern.test(deadLetterId)) throw deadLetterNotFound(deadLetterId);
    const stored = await this.#get({ last_by_subj: this.#broker.layout.deadLetterSubject(deadLetterId) });
    if (stored === undefined) throw deadLetterNotFound(deadLetterId);
    return stored;
  }

  async #get(
    query: { readonly last_by_subj: string } | (SeqMsgRequest & { readonly next_by_subj: string }),
  ): Promise<StoredMsg | undefined> {
    const { manager, layout } = this.#broker;
    const stored = await this.#broker.attempt('read dead letters', () => manager.streams.getMessage(layout.deadLettersStream, query));
    return stored ?? undefined;
  }

  /** Another who does the same at this moment is no reason to fail. */
  async #remove({ seq }: StoredMsg): Promise<void> {
    const { manager, layout } = this.#broker;
    await this.#broker.attempt('remove a dead letter', async () => {
      try {
        await manager.streams.deleteMessage(layout.deadLettersStream, seq, false);
      } catch (error) {
        if (!isMessageGone(error)) throw error;
      }
    });
  }
}

/** Undefined where somebody else stored something else there. */
function letterOf({ subject, header, data }: StoredMsg): DeadLetter | undefined {
  const event = eventOf({ headers: header, data });
  const [consumer, digest] = subject.split('.').slice(-2);
  if (event === undefined || consumer === undefined || digest === undefined) return undefined;
  return {
    id: `${consumer}.${digest}`,
    consumer,
    event,
    attempts: Number(header.get('burgage-attempts')),
    reason: unescapeText(header.get('burgage-reason')),
    time: header.get('burgage-time'),
  };
}
