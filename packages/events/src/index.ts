// The events between services: the port, its embedded adapter, the outbox form of an event.

export { type EmbeddedEventsOptions, openEmbeddedEvents } from './embedded/embedded.ts';
export { type EventOutboxItem, eventFromOutbox, type OutboxEventOptions, outboxEvent } from './outbox.ts';
export * from './port.ts';
export { compileSubjects } from './subjects.ts';
