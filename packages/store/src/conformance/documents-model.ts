// Conformance: documents do what a map in memory does, whatever is done to them in whatever order.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Documents, OutboxItem, Stored } from '../port.ts';
import { type Bench, codeOf, listAll, typeOf } from './context.ts';

/** Unique key name -> value; empty: none. */
interface Keys {
  readonly door: string;
  readonly bell: string;
}

interface Thing {
  /** The run of the model: runs share a type but not their documents. */
  readonly run: string;
  readonly keys: Keys;
  readonly size?: number;
}

const things = typeOf<Thing>({
  name: 'things',
  unique: {
    door: ({ run, keys }) => (keys.door === '' ? undefined : `${run} ${keys.door}`),
    bell: ({ run, keys }) => (keys.bell === '' ? '' : `${run} ${keys.bell}`),
  },
  indexes: { run: ({ run }) => run, size: ({ size }) => size },
});

type Step =
  | {
      readonly kind: 'insert';
      readonly id: string;
      readonly keys: Keys;
      readonly size: number | undefined;
      readonly items: number;
    }
  | {
      readonly kind: 'replace';
      readonly id: string;
      readonly stale: boolean;
      readonly keys: Keys;
      readonly size: number | undefined;
      readonly items: number;
    }
  | { readonly kind: 'remove'; readonly id: string; readonly stale: boolean }
  | { readonly kind: 'pull'; readonly id: string; readonly count: number };

const keyNames = ['door', 'bell'] as const;
const keyValues = ['k1', 'k2', 'k3'];
const id = fc.constantFrom('a', 'b', 'c', 'd', 'é', '😀');
const key = fc.constantFrom('', ...keyValues);
const keys = fc.record({ door: key, bell: key });
const size = fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined });
const items = fc.constantFrom(0, 0, 1, 2);
const stale = fc.constantFrom(false, false, false, true);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('insert' as const), id, keys, size, items }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('replace' as const), id, stale, keys, size, items }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), id, stale }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pull' as const), id, count: fc.integer({ min: 1, max: 3 }) }) },
);

class Model {
  readonly documents = new Map<string, Stored<Thing>>();
  readonly #run: string;
  #itemCount = 0;

  constructor(run: string) {
    this.#run = run;
  }

  /** What the step does to the model: the code that the store must answer with. */
  expected(what: Step): { code: string; call: (real: Documents<Thing>) => Promise<unknown> } {
    const id = `${this.#run} ${what.id}`;
    const current = this.documents.get(id);
    switch (what.kind) {
      case 'insert': {
        const { value, outbox } = this.#written(what);
        const code = current ? 'already_exists' : this.#isTaken(id, what.keys) ? 'unique_key_taken' : 'no error';
        if (code === 'no error') this.documents.set(id, { id, version: 1, value, outbox });
        return { code, call: (real) => real.insert(id, value, outbox) };
      }
      case 'replace': {
        const version = (current?.version ?? 1) - (what.stale ? 1 : 0);
        const { value, outbox } = this.#written(what);
        const code = this.#refusal(current, what.stale) ?? (this.#isTaken(id, what.keys) ? 'unique_key_taken' : 'no error');
        if (code === 'no error' && current)
          this.documents.set(id, { id, version: version + 1, value, outbox: [...current.outbox, ...outbox] });
        return { code, call: (real) => real.replace(id, version, value, outbox) };
      }
      case 'remove': {
        const version = (current?.version ?? 1) - (what.stale ? 1 : 0);
        const code = this.#refusal(current, what.stale) ?? (current && current.outbox.length > 0 ? 'outbox_pending' : 'no error');
        if (code === 'no error') this.documents.delete(id);
        return { code, call: (real) => real.remove(id, version) };
      }
      case 'pull': {
        const pulled = (current?.outbox ?? []).slice(0, what.count).map((item) => item.id);
        if (current) this.documents.set(id, { ...current, outbox: current.outbox.slice(what.count) });
        return { code: 'no error', call: (real) => real.pullOutbox(id, pulled) };
      }
      default:
        return what satisfies never;
    }
  }

  holder(name: keyof Keys, key: string): string | undefined {
    return [...this.documents.values()].find(({ value }) => value.keys[name] === key)?.id;
  }

  #written({ keys, size, items }: Pick<Step & { kind: 'insert' }, 'keys' | 'size' | 'items'>): {
    value: Thing;
    outbox: readonly OutboxItem[];
  } {
    const outbox = Array.from({ length: items }, () => {
      this.#itemCount += 1;
      return { id: `${this.#itemCount}`, target: 'event', payload: null };
    });
    return { value: { run: this.#run, keys, ...(size === undefined ? {} : { size }) }, outbox };
  }

  #refusal(current: Stored<Thing> | undefined, isStale: boolean): string | undefined {
    if (current === undefined) return 'document_not_found';
    return isStale ? 'version_conflict' : undefined;
  }

  #isTaken(id: string, wanted: Keys): boolean {
    return keyNames.some((name) => wanted[name] !== '' && ![undefined, id].includes(this.holder(name, wanted[name])));
  }
}

/** As every adapter sorts text: by its UTF-8 bytes. */
function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

async function checkAll(real: Documents<Thing>, model: Model, run: string): Promise<void> {
  const where = [{ field: 'run', op: 'eq', value: run }] as const;
  const expected = [...model.documents.values()].sort((one, other) => byBytes(one.id, other.id));
  expect((await real.list({ where })).items).toEqual(expected);
  for (const document of expected) expect(await real.get(document.id)).toEqual(document);
  for (const name of keyNames) {
    for (const key of keyValues) expect((await real.findByKey(name, `${run} ${key}`))?.id).toBe(model.holder(name, key));
  }
  const pending = (await real.pendingOutbox(1_000, run)).filter(({ id }) => id.startsWith(run));
  const waiting = expected.filter(({ outbox }) => outbox.length > 0);
  expect(pending).toEqual(waiting.map(({ id, outbox }) => ({ id, outbox })));
  const sized = expected
    .filter(({ value }) => value.size !== undefined)
    .sort((one, other) => (one.value.size ?? 0) - (other.value.size ?? 0));
  expect(await listAll(real, { where, sort: { field: 'size' }, pageSize: 2 })).toEqual(sized.map((document) => document.id));
}

export function documentModelTests(bench: Bench): void {
  describe('documents against a model', () => {
    it('insert, replace, remove, pull, find and list as a map in memory does', async () => {
      const real = (await bench.open()).documents(things);
      let runs = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          runs += 1;
          const run = `run-${runs}`;
          const model = new Model(run);
          for (const what of steps) {
            const { code, call } = model.expected(what);
            expect(await codeOf(call(real))).toBe(code);
          }
          await checkAll(real, model, run);
        }),
        { numRuns: bench.times(200) },
      );
    });
  });
}

export function burstModelTests(bench: Bench): void {
  describe('calls that nobody waits for', () => {
    it('are carried out in their order, each whole or not at all', async () => {
      const real = (await bench.open()).documents(things);
      let runs = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          runs += 1;
          const run = `burst-${runs}`;
          const model = new Model(run);
          const expected = steps.map((what) => model.expected(what));
          const codes = await Promise.all(expected.map(({ call }) => codeOf(call(real))));
          expect(codes).toEqual(expected.map(({ code }) => code));
          await checkAll(real, model, run);
        }),
        { numRuns: bench.times(200) },
      );
    });
  });
}
