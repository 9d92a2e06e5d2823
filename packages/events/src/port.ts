// The port of the events: publish at least once, subscribe durably, look at dead letters and replay them.

/** One event, in CloudEvents terms. */
export interface Event {
  /** Unique: a second publish of the same id may be dropped, or be delivered again. */
  readonly id: string;
  /** `burgage.<service>.<entity>.<past-tense verb>`; CloudEvents `type`. */
  readonly subject: string;
  /** The service that says so; CloudEvents `source`. */
  readonly source: string;
  /** What it is about, such as a tenant's id; CloudEvents `subject`. */
  readonly entity: string;
  /** RFC 3339. */
  readonly time: string;
  /** W3C trace context, where there is one. */
  readonly traceparent?: string;
  /** Full name of the Protobuf message in `data`, its version in it: `burgage.events.v1.TenantRequested`; CloudEvents `dataschema`. Events from before there was one have none. */
  readonly schema?: string;
  /** Protobuf, as the event catalogue says for the subject. */
  readonly data: Uint8Array;
}

export interface Delivery {
  /** 1 at the first delivery. */
  readonly attempt: number;
  readonly signal: AbortSignal;
}

export interface SubscribeOptions {
  /** The durable name, 1 to 64 letters, digits, `_` and `-`: subscriptions of one name, in any process, share the events; it keeps its place while nobody is there. */
  readonly consumer: string;
  /** Subjects, exact or with `*` for one token or a last `>` for the rest. The newest subscription's hold for the consumer. */
  readonly subjects: readonly string[];
  /** Resolving acknowledges; throwing has the event delivered again after a backoff, or makes it a dead letter at once where it is `event_unknown`. */
  readonly handler: (event: Event, delivery: Delivery) => Promise<void>;
  /** Handlers at once; default 8. */
  readonly concurrency?: number;
  /** Deliveries before the event becomes a dead letter; default 8. */
  readonly attemptsMax?: number;
  /** The delay before the second delivery is random between 0 and this, which doubles at each further one; default 200. */
  readonly backoffMs?: number;
  /** Upper bound of that delay; default 30,000. */
  readonly backoffMaxMs?: number;
  /** How long a handler may take before the event is given to another; default 30,000. The same in all subscriptions of a consumer: the newest one's may hold for all. */
  readonly ackTimeoutMs?: number;
}

export interface Subscription {
  /** Takes no more events and resolves when the running handlers have ended. */
  stop(): Promise<void>;
}

/** An event that a consumer could not handle. */
export interface DeadLetter {
  readonly id: string;
  readonly consumer: string;
  readonly event: Event;
  readonly attempts: number;
  /** The last error, in one line. */
  readonly reason: string;
  /** RFC 3339. */
  readonly time: string;
}

export interface Events {
  /** Resolves when the event is durable. @throws BurgageError `unavailable`. */
  publish(event: Event): Promise<void>;
  /** A consumer seen for the first time begins with the events published from now on. */
  subscribe(options: SubscribeOptions): Promise<Subscription>;
  /** Oldest first, at most `limit`. */
  deadLetters(limit: number): Promise<readonly DeadLetter[]>;
  /** Gives a dead letter to its consumer again, attempts counted from 1. @throws BurgageError `not_found`. */
  replay(deadLetterId: string): Promise<void>;
  /** Forgets a dead letter. @throws BurgageError `not_found`. */
  discard(deadLetterId: string): Promise<void>;
  /**
   * Forgets a consumer: its place, the events that wait for it, its dead letters. For one that nobody subscribes to any
   * more: an abandoned consumer would keep all that for ever. One that subscribes later is seen for the first time.
   * @throws BurgageError `not_found`.
   */
  removeConsumer(consumer: string): Promise<void>;
  /** Resolves when the engine answers. @throws BurgageError `unavailable`. */
  ping(): Promise<void>;
  /** Stops all subscriptions, lets their running handlers and what is being published end, and refuses everything from then on. */
  close(): Promise<void>;
}
