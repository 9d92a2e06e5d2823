// The exhaustive simulation as tests: each operation of one isolation, each question that its workers ask, each thing that can go wrong there.
import type { Isolation } from '@burgage/tenancy';
import { describe, expect, test } from 'vitest';
import { type Case, cases, faultsOf, isOfStep, type Plan, runCase } from './cases.ts';

/** Every undo beside the last step's is simulated with `SIMULATE=all`; else the one that undoes the most. */
const isThorough = process.env.SIMULATE === 'all';
const timeoutMs = 30 * 60_000;

export function everyFault(from: Isolation): void {
  describe(`an operation of a tenant in ${from}`, () => {
    for (const one of cases.filter((candidate) => candidate.from === from)) {
      test(`${one.name}: one fault at any question`, { timeout: timeoutMs }, async () => {
        const clean = await runCase(one, new Map());
        expect(clean.operation.state).toBe('succeeded');
        await expectAll(one, plansFrom(clean.questions, 0, new Map()));
      });

      test(`${one.name}: a fault while it is undone`, { timeout: timeoutMs }, async () => {
        const { questions } = await runCase(one, new Map());
        const refusals = await undoing(one, questions);
        for (const at of isThorough ? refusals : refusals.slice(-1)) {
          const refused: Plan = new Map([[at, 'permanent']]);
          const undone = await runCase(one, refused);
          await expectAll(one, plansFrom(undone.questions, at + 1, refused));
        }
      });
    }
  });
}

/** Every fault at every question from `first` on, beside what goes wrong in any case. */
function plansFrom(questions: readonly string[], first: number, beside: Plan): readonly Plan[] {
  return questions.flatMap((question, index) =>
    index < first ? [] : faultsOf(question).map((fault): Plan => new Map([...beside, [index, fault]])),
  );
}

/** The questions of steps whose refusal has the operation undone. */
async function undoing(one: Case, questions: readonly string[]): Promise<readonly number[]> {
  const found: number[] = [];
  for (const [index, question] of questions.entries()) {
    if (!isOfStep(question)) continue;
    const { operation } = await runCase(one, new Map([[index, 'permanent']]));
    if (operation.state === 'failed') found.push(index);
  }
  return found;
}

async function expectAll(one: Case, plans: readonly Plan[]): Promise<void> {
  const wrong: string[] = [];
  for (const plan of plans) {
    try {
      await runCase(one, plan);
    } catch (error) {
      wrong.push(`${one.name}, ${[...plan].map(([index, fault]) => `${fault} at ${index}`).join(', ')}: ${(error as Error).message}`);
    }
  }
  expect(wrong).toEqual([]);
}
