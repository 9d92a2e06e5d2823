// The event catalogue: every subject, with the message that it carries.
import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import {
  OperationEndedSchema,
  OperationProgressedSchema,
  TenantRequestedSchema,
  TenantTransitionedSchema,
} from './gen/burgage/events/v1/events_pb.js';

/** Subject -> message. Subjects are `burgage.<service>.<entity>.<past-tense verb>`. */
export const eventCatalogue = {
  'burgage.registry.tenant.requested': TenantRequestedSchema,
  'burgage.registry.tenant.transitioned': TenantTransitionedSchema,
  'burgage.provisioner.operation.progressed': OperationProgressedSchema,
  'burgage.provisioner.operation.ended': OperationEndedSchema,
} as const satisfies Record<string, DescMessage>;

export type EventSubject = keyof typeof eventCatalogue;
export type EventMessage<S extends EventSubject> = MessageShape<(typeof eventCatalogue)[S]>;

export function isEventSubject(subject: string): subject is EventSubject {
  return Object.hasOwn(eventCatalogue, subject);
}

/** The protobuf bytes of an event of `subject`. */
export function encodeEvent<S extends EventSubject>(subject: S, message: MessageInitShape<(typeof eventCatalogue)[S]>): Uint8Array {
  const schema: DescMessage = eventCatalogue[subject];
  return toBinary(schema, create(schema, message as MessageInitShape<DescMessage>));
}

/** The message in `data`; throws where the bytes are not one. */
export function decodeEvent<S extends EventSubject>(subject: S, data: Uint8Array): EventMessage<S> {
  const schema: DescMessage = eventCatalogue[subject];
  return fromBinary(schema, data) as EventMessage<S>;
}
