// The contracts between services: messages, services, events and errors.
export { epochNumber } from './epoch.ts';
export * from './errors.ts';
export * from './events.ts';
export * from './gen/burgage/events/v1/events_pb.js';
export * from './gen/burgage/provisioner/v1/provisioner_pb.js';
export * from './gen/burgage/registry/v1/registry_pb.js';
export * from './gen/burgage/registry/v1/routes_pb.js';
