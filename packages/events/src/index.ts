// The events between services: the port, its adapters, the outbox form of an event, reading by the catalogue.

export { type EmbeddedEventsOptions, openEmbeddedEvents } from './embedded/embedded.ts';
export type { NatsEventsOptions } from './nats/nats.ts';
export { type EventOutboxItem, eventFromOutbox, type OutboxEventOptions, outboxEvent } from './outbox.ts';
export * from './port.ts';
export { type EventHandlers, handling, type KnownEvent, readEvent } from './reading.ts';
export { type EventsPlace, eventsSettings, openEvents } from './settings.ts';
export { compileSubjects } from './subjects.ts';
