// Every operation in every isolation, and one run of it with one thing that goes wrong at one question.
import type { Isolation } from '@burgage/tenancy';
import type { Operation } from '../../domain/operation.ts';
import { type Fate, type Fault, faults } from './process.ts';
import { checkLeftovers, Simulation, tenantIdOf, type Wish } from './run.ts';

export interface Case {
  readonly name: string;
  readonly from: Isolation;
  readonly wish: Omit<Wish, 'tenantId'>;
}

const isolations = ['pool', 'bridge', 'silo'] as const;

export const cases: readonly Case[] = isolations.flatMap((from): Case[] => [
  { name: `provision in ${from}`, from, wish: { kind: 'provision' } },
  { name: `suspend in ${from}`, from, wish: { kind: 'suspend' } },
  { name: `resume in ${from}`, from, wish: { kind: 'resume' } },
  { name: `change plan in ${from}`, from, wish: { kind: 'change_plan' } },
  { name: `terminate in ${from}`, from, wish: { kind: 'terminate' } },
  ...isolations.filter((to) => to !== from).map((to): Case => ({ name: `move from ${from} to ${to}`, from, wish: { kind: 'move', to } })),
]);

/** What goes wrong at the n-th question of the workers, from 0. */
export type Plan = ReadonlyMap<number, Fault>;

/**
 * What can go wrong with a question. One that changes nothing cannot take effect and lose its answer, or come late; and what
 * a worker's own document says is asked again wherever it did not come.
 */
export function faultsOf(question: string): readonly Fault[] {
  if (question === 'store.get') return ['crash_before', 'pause_before'];
  return reads.has(question) ? ['crash_before', 'lost_answer', 'transient', 'permanent', 'pause_before'] : faults;
}

const reads: ReadonlySet<string> = new Set([
  'tenants.get',
  'tenants.endpoints',
  'tenants.gatewaysAt',
  'tenants.checkPlan',
  'app.checkReady',
  'app.digest',
  'app.archive',
]);

/** True for what a worker asks of the world beside its own store: what a step does. */
export function isOfStep(question: string): boolean {
  return !question.startsWith('store.');
}

export interface Ended {
  readonly operation: Operation;
  /** The questions that the workers asked, in order, until the end. */
  readonly questions: readonly string[];
  readonly fenced: number;
}

/** How an operation may end, in the world. */
const ends: Readonly<Record<Wish['kind'], (simulation: Simulation, tenantId: string, one: Case) => string>> = {
  provision: ({ world }, id) => world.tenants.get(id)?.state ?? '',
  suspend: ({ world }, id) => (world.tenants.get(id)?.holds.includes('unpaid') ? 'suspended' : 'active'),
  resume: ({ world }, id) => (world.tenants.get(id)?.holds.includes('unpaid') ? 'suspended' : 'active'),
  change_plan: ({ world }, id) => world.tenants.get(id)?.plan ?? '',
  move: ({ world }, id) => world.tenants.get(id)?.isolation ?? '',
  terminate: ({ world }, id) => world.tenants.get(id)?.state ?? '',
};

function allowedEnd({ wish, from }: Case, state: Operation['state']): string {
  const well = state === 'succeeded';
  switch (wish.kind) {
    case 'provision':
      return well ? 'active' : 'failed';
    case 'suspend':
      return well ? 'suspended' : 'active';
    case 'resume':
      return well ? 'active' : 'suspended';
    case 'change_plan':
      return well ? 'professional' : 'trial';
    case 'move':
      return well ? (wish.to ?? from) : from;
    case 'terminate':
      return well ? 'terminated' : 'active';
    default:
      return wish.kind satisfies never;
  }
}

/** Runs a case to its end. @throws Error saying what is wrong with it. */
export async function runCase(one: Case, plan: Plan): Promise<Ended> {
  const questions: string[] = [];
  let isOver = false;
  const fate: Fate = (name) => {
    if (isOver) return undefined;
    // Looking for work asks the same again and again.
    if (name === 'store.list' || name === 'store.pendingOutbox') return undefined;
    questions.push(name);
    return plan.get(questions.length - 1);
  };
  const simulation = new Simulation(1, fate);
  const { world } = simulation;
  const tenantId = tenantIdOf(one.name);
  const rows = one.wish.kind === 'provision' ? [] : ['one', 'two', 'three'];
  if (one.wish.kind === 'provision') world.requested(tenantId, one.from);
  else {
    const tenant = world.active(tenantId, one.from, rows);
    if (one.wish.kind === 'resume') tenant.holds.push('unpaid');
  }
  await simulation.start('one');
  await simulation.start('two');
  const { id } = await simulation.ask({ ...one.wish, tenantId }, 'key');
  const [operation] = await simulation.settle([id]);
  isOver = true;
  await simulation.stop();
  if (!operation) throw new Error('the operation is gone');
  await checkLeftovers(simulation, [operation], new Map([[tenantId, rows]]));
  const end = ends[one.wish.kind](simulation, tenantId, one);
  const wanted = allowedEnd(one, operation.state);
  if (end !== wanted) throw new Error(`it ended ${operation.state}, with the tenant ${end}, expected ${wanted}`);
  return { operation, questions, fenced: world.fenced };
}
