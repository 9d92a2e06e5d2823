// Holds the operation's state machine to its promises, whatever its steps do.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  canCancel,
  canRetry,
  createOperation,
  hasEnded,
  isPastReturn,
  nextAction,
  type Operation,
  type OperationEvent,
  transition,
} from './operation.ts';

type Outcome = 'done' | 'not_needed' | 'waits' | 'retry' | 'fail' | 'person' | 'crash' | 'cancel' | 'try again';

const at = '2026-01-01T00:00:00.000Z';
const error = { code: 'unavailable', message: 'It is not there.' };
const attemptsMax = 4;

function newOperation(steps: number, pointOfNoReturn: number): Operation {
  return createOperation(
    {
      id: 'op_provision_X',
      kind: 'provision',
      definitionVersion: 1,
      tenantId: 'ten_X',
      tenantSlug: 'acme',
      input: {},
      steps: Array.from({ length: steps }, (_, index) => `step${index}`),
      pointOfNoReturn,
    },
    at,
  );
}

interface Trace {
  readonly operation: Operation;
  readonly effects: readonly string[];
  readonly states: readonly Operation[];
}

/** Drives an operation as a worker does; a crash is an intent without a result. */
function drive(operation: Operation, outcomes: Iterator<Outcome>): Trace {
  const effects: string[] = [];
  const states = [operation];
  let current = operation;
  const move = (event: OperationEvent): void => {
    current = transition(current, event, at);
    states.push(current);
  };
  for (let turn = 0; turn < 500; turn += 1) {
    const wanted = outcomes.next().value ?? 'done';
    if (wanted === 'try again') {
      if (canRetry(current)) move({ type: 'retry_requested' });
      continue;
    }
    if (hasEnded(current)) {
      if (wanted !== 'cancel') break;
      if (canCancel(current)) move({ type: 'cancel_requested' });
      continue;
    }
    const action = nextAction(current);
    if (action.type === 'nothing') throw new Error('has not ended and has nothing to do');
    const { step } = action;
    if (action.type === 'run' && current.cancelledAt && !isPastReturn(current)) {
      move({ type: 'turned_back', error });
      continue;
    }
    move({ type: action.type === 'run' ? 'run_started' : 'undo_started', step });
    effects.push(`${action.type} ${step}`);
    const attempts = (action.type === 'run' ? current.steps[step]?.attempts : current.steps[step]?.undoAttempts) ?? 0;
    // Somebody asks while it is at work, and the work is done all the same.
    if (wanted === 'cancel' && canCancel(current)) move({ type: 'cancel_requested' });
    const outcome = wanted === 'retry' && attempts >= attemptsMax ? 'fail' : wanted;
    if (outcome === 'crash') continue;
    if (outcome === 'person') move({ type: 'stuck', step, error, attention: `look at step${step}` });
    else if (action.type === 'undo') {
      if (outcome === 'retry') move({ type: 'undo_retry', step, error, dueAt: at });
      else if (outcome === 'fail') move({ type: 'stuck', step, error, attention: `look at step${step}` });
      else move({ type: 'undo_done', step });
    } else if (outcome === 'retry') move({ type: 'run_retry', step, error, dueAt: at });
    else if (outcome === 'fail') move({ type: 'run_failed', step, error });
    else if (outcome === 'waits') move({ type: 'run_waits', step, detail: '', dueAt: at });
    else move({ type: outcome === 'not_needed' ? 'run_not_needed' : 'run_done', step, detail: '' });
  }
  return { operation: current, effects, states };
}

const shape = fc.integer({ min: 1, max: 8 }).chain((steps) => fc.tuple(fc.constant(steps), fc.integer({ min: 0, max: steps - 1 })));
const anyOutcomes = fc.array(
  fc.constantFrom<Outcome>('done', 'done', 'done', 'not_needed', 'waits', 'retry', 'fail', 'person', 'crash', 'cancel', 'try again'),
  { maxLength: 60 },
);

describe('an operation', () => {
  test('always ends, and in one of its ends', () => {
    fc.assert(
      fc.property(shape, anyOutcomes, ([steps, point], outcomes) => {
        const { operation } = drive(newOperation(steps, point), outcomes.values());
        expect(['succeeded', 'failed', 'cancelled', 'needs_attention']).toContain(operation.state);
        if (operation.state === 'cancelled') expect(operation.cancelledAt).toBeDefined();
        if (operation.state === 'succeeded') {
          expect(operation.steps.every((step) => step.state === 'done' || step.state === 'not_needed')).toBe(true);
        }
        if (operation.state === 'failed' || operation.state === 'cancelled') {
          expect(operation.steps.every((step) => ['pending', 'undone', 'not_needed'].includes(step.state))).toBe(true);
          expect(operation.error).toBeDefined();
        }
        if (operation.state === 'needs_attention') expect(operation.attention).toMatch(/step\d/);
      }),
    );
  });

  test('logs every change once, in order, without gaps', () => {
    fc.assert(
      fc.property(shape, anyOutcomes, ([steps, point], outcomes) => {
        const { states } = drive(newOperation(steps, point), outcomes.values());
        for (const [index, state] of states.entries()) {
          expect(state.log.map((entry) => entry.sequence)).toEqual(state.log.map((_, position) => position + 1));
          const before = states[index - 1];
          if (before) expect(state.log.slice(0, before.log.length)).toEqual(before.log);
        }
      }),
    );
  });

  test('undoes in reverse exactly the steps whose effect may be there', () => {
    fc.assert(
      fc.property(shape, anyOutcomes, ([steps, point], outcomes) => {
        const { operation, effects, states } = drive(newOperation(steps, point), outcomes.values());
        if (operation.state !== 'failed' && operation.state !== 'cancelled') return;
        const turned = states.find((state) => state.state === 'undoing');
        const expected = (turned?.steps ?? [])
          .flatMap((step, index) => (step.state === 'pending' || step.state === 'not_needed' ? [] : [index]))
          .reverse();
        const undone = effects.filter((effect) => effect.startsWith('undo')).map((effect) => Number(effect.split(' ')[1]));
        expect(undone.filter((step, index) => undone[index - 1] !== step)).toEqual(expected);
      }),
    );
  });

  test('never turns back once a step from the point of no return on has begun', () => {
    fc.assert(
      fc.property(shape, anyOutcomes, ([steps, point], outcomes) => {
        const { states } = drive(newOperation(steps, point), outcomes.values());
        const passed = states.findIndex(isPastReturn);
        if (passed === -1) return;
        expect(states.slice(passed).some(({ state }) => ['undoing', 'failed', 'cancelled'].includes(state))).toBe(false);
      }),
    );
  });

  test('runs a step again whose intent was written and whose result was not', () => {
    const begun = transition(newOperation(2, 1), { type: 'run_started', step: 0 }, at);
    expect(nextAction(begun)).toEqual({ type: 'run', step: 0 });
    const again = transition(begun, { type: 'run_started', step: 0 }, at);
    expect(again.steps[0]?.attempts).toBe(2);
  });

  test('takes no event that its state does not allow', () => {
    const started = transition(newOperation(2, 1), { type: 'run_started', step: 0 }, at);
    const undoing = transition(started, { type: 'run_failed', step: 0, error }, at);
    expect(undoing.state).toBe('undoing');
    for (const event of [
      { type: 'run_started', step: 0 },
      { type: 'run_started', step: 1 },
      { type: 'run_done', step: 0, detail: '' },
      { type: 'undo_done', step: 0 },
      { type: 'undo_started', step: 1 },
    ] as const) {
      expect(() => transition(undoing, event, at)).toThrow(/not allowed/);
    }
    const failed = transition(transition(undoing, { type: 'undo_started', step: 0 }, at), { type: 'undo_done', step: 0 }, at);
    expect(failed.state).toBe('failed');
    expect(() => transition(failed, { type: 'stuck', step: 0, error, attention: 'look' }, at)).toThrow(/not allowed/);
  });
});
