// Every operation that a tenant can go through: all versions of all kinds that this code can carry out.
import type { Clock } from '@burgage/runtime';
import type { OperationDefinition } from '../definition.ts';
import type { OperationKind } from '../operation.ts';
import type { Infrastructure } from '../ports.ts';
import { changePlanDefinition } from './change-plan.ts';
import { holdDefinitions } from './holds.ts';
import { createKit } from './kit.ts';
import { moveDefinition } from './move.ts';
import { provisionDefinitions } from './provision.ts';
import { terminateDefinition } from './terminate.ts';

export interface OperationsOptions {
  readonly infrastructure: Infrastructure;
  /** The upstream that serves tenants in the shared app. */
  readonly sharedUpstream: string;
  readonly clock: Clock;
}

export type AnyDefinition = OperationDefinition<never>;

export function operationDefinitions(options: OperationsOptions, kit = createKit(options)): readonly AnyDefinition[] {
  const { infrastructure, clock } = options;
  return [
    ...provisionDefinitions(infrastructure, kit),
    ...holdDefinitions(infrastructure, kit),
    changePlanDefinition(infrastructure, kit),
    moveDefinition(infrastructure, kit),
    terminateDefinition(infrastructure, kit, () => clock.now()),
  ] as readonly AnyDefinition[];
}

/** The newest version of a kind: what new operations are made from. */
export function newestOf(definitions: readonly AnyDefinition[], kind: OperationKind): AnyDefinition {
  const [newest] = definitions.filter((definition) => definition.kind === kind).toSorted((one, other) => other.version - one.version);
  if (!newest) throw new Error(`there is no definition of ${kind}`);
  return newest;
}
