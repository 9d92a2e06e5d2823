import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isHold, isIsolation, isTenantState, type TenantState, tenantStates, transition, unwrap } from './index.ts';

/** Every state that `from` can end in, itself included. */
function reachable(from: TenantState): Set<TenantState> {
  const seen = new Set<TenantState>([from]);
  for (const state of seen) for (const to of tenantStates) if (transition(state, to).ok) seen.add(to);
  return seen;
}

describe("a tenant's life", () => {
  test('has exactly the transitions of the design', () => {
    const allowed = tenantStates.flatMap((from) => tenantStates.filter((to) => transition(from, to).ok).map((to) => `${from} -> ${to}`));
    expect(allowed).toEqual([
      'requested -> provisioning',
      'provisioning -> active',
      'provisioning -> failed',
      'active -> terminating',
      'failed -> terminating',
      'terminating -> active',
      'terminating -> terminated',
    ]);
  });

  test('leads from its beginning to every state, and from every state to its end', () => {
    expect(reachable('requested')).toEqual(new Set(tenantStates));
    for (const state of tenantStates) expect(reachable(state)).toContain('terminated');
  });

  test('never comes back, but from a termination: without those no walk of any length sees a state twice', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...tenantStates), { maxLength: 40 }), (wishes) => {
        const walk: TenantState[] = ['requested'];
        let cancelled = 0;
        for (const wish of wishes) {
          const from = walk.at(-1) ?? 'requested';
          const result = transition(from, wish);
          if (!result.ok) continue;
          if (from === 'terminating' && wish === 'active') cancelled += 1;
          walk.push(unwrap(result));
        }
        expect(walk.length - new Set(walk).size).toBeLessThanOrEqual(2 * cancelled);
        if (cancelled === 0) expect(new Set(walk).size).toBe(walk.length);
      }),
    );
  });

  test('a transition that is not allowed names the state and what it allows', () => {
    expect(() => unwrap(transition('provisioning', 'terminated'))).toThrow(
      'The tenant is provisioning and cannot become terminated: only active or failed may follow.',
    );
    expect(() => unwrap(transition('terminated', 'active'))).toThrow(
      'The tenant is terminated and cannot become active: nothing follows that state.',
    );
    expect(transition('active', 'active')).toMatchObject({
      ok: false,
      error: { code: 'transition_not_allowed', metadata: { from: 'active', to: 'active', allowed: 'terminating' } },
    });
  });
});

test('words from outside are states, holds and isolations only when they are in the list', () => {
  for (const word of ['', 'Active', 'toString', '__proto__', 'constructor']) {
    expect([isTenantState(word), isHold(word), isIsolation(word)]).toEqual([false, false, false]);
  }
  expect([isTenantState('active'), isHold('trial_ended'), isIsolation('silo')]).toEqual([true, true, true]);
});
