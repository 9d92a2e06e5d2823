// Operations are found by their ids alone, whichever process is asked and whatever was cut off in between.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import { createLogger, ManualClock, seededRandom } from '@burgage/runtime';
import { openSqliteStore, type Store } from '@burgage/store';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createOperation, type Operation, transition } from '../domain/operation.ts';
import { emptyTenantOperations, operationListingType, withHead } from '../domain/tenant-operations.ts';
import { OperationRepository } from './repository.ts';

const clock = new ManualClock();
const at = clock.now().toISOString();

let folder: string;
let store: Store;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-repository-'));
  store = await openSqliteStore({ file: join(folder, 'store.sqlite') });
});

afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** One more process, whose relay nobody starts. */
function openRepository(on = store): OperationRepository {
  const logger = createLogger({ service: 'test', level: 'silent' });
  return new OperationRepository({ store: on, clock, random: seededRandom(7), logger, publish: async () => undefined });
}

/** The store, which takes no listings for as long as `faults.listsNothing`. */
function storeThat(faults: { listsNothing: boolean }): Store {
  return {
    ...store,
    journal: store.journal.bind(store),
    documents: (type) => {
      const documents = store.documents(type);
      if (type.name !== operationListingType.name) return documents;
      const { insert, replace } = documents;
      const unless = <T>(write: () => Promise<T>) => (faults.listsNothing ? Promise.reject(new BurgageError('unavailable')) : write());
      documents.insert = (...args) => unless(() => insert.apply(documents, args));
      documents.replace = (...args) => unless(() => replace.apply(documents, args));
      return documents;
    },
  };
}

function operationOf(id: string, tenantId = 'ten_A'): Operation {
  const from = { id, kind: 'provision', definitionVersion: 1, tenantId, tenantSlug: 'acme', input: {} } as const;
  return createOperation({ ...from, steps: ['a'], pointOfNoReturn: 0 }, at);
}

/** The operation after each of its transitions. */
function lifeOf(operation: Operation): readonly Operation[] {
  const running = transition(operation, { type: 'run_started', step: 0 }, at);
  return [running, transition(running, { type: 'run_done', step: 0, detail: '' }, at)];
}

async function carryOut(repository: OperationRepository, operation: Operation): Promise<Operation> {
  let before = operation;
  for (const after of lifeOf(operation)) {
    const outbox = repository.consequencesOf(before, after);
    await repository.change(operation.tenantId, (value) => ({ value: withHead(value, after, at), outbox }));
    before = after;
  }
  return before;
}

describe('an operation', () => {
  test('is found by its id in another process as soon as it was enqueued', async () => {
    const operation = await openRepository().enqueue(operationOf('op_1'));
    expect(await openRepository().get('op_1')).toEqual(operation);
    expect((await openRepository().list({ pageSize: 10 })).operations).toEqual([operation]);
  });

  test('that a process left without its listing is found by its tenant, and then by its id', async () => {
    const repository = openRepository();
    const operation = operationOf('op_1');
    await repository.tenants.insert(
      'ten_A',
      { ...emptyTenantOperations('ten_A'), queue: [operation] },
      repository.consequencesOf(undefined, operation),
    );
    expect(await repository.get('op_1')).toBeUndefined();
    expect(await repository.find('ten_A', 'op_1')).toEqual(operation);
    expect(await openRepository().get('op_1')).toEqual(operation);
  });

  test('is enqueued where its listing cannot be written, which follows', async () => {
    const repository = openRepository(storeThat({ listsNothing: true }));
    const operation = await repository.enqueue(operationOf('op_1'));
    expect(await repository.find('ten_A', 'op_1')).toEqual(operation);
    const another = openRepository();
    expect(await another.get('op_1')).toBeUndefined();
    await another.relay.flushAll();
    expect(await another.get('op_1')).toEqual(operation);
  });

  test('is shown as it is now, through all of its life and when others have followed it', async () => {
    const repository = openRepository();
    const first = await repository.enqueue(operationOf('op_1'));
    const [running, ended] = lifeOf(first);
    await repository.change('ten_A', (value) => ({ value: withHead(value, running ?? first, at), outbox: [] }));
    expect(await openRepository().get('op_1')).toEqual(running);
    expect((await openRepository().list({ pageSize: 10 })).operations).toEqual([running]);
    await repository.change('ten_A', (value) => ({
      value: withHead(value, ended ?? first, at),
      outbox: repository.consequencesOf(running, ended ?? first),
    }));
    expect(await openRepository().get('op_1')).toEqual(ended);

    const second = await repository.enqueue(operationOf('op_2'));
    await carryOut(repository, second);
    await repository.relay.flushAll();
    expect(await openRepository().get('op_1')).toEqual(ended);
    expect(await openRepository().find('ten_A', 'op_1')).toEqual(ended);
    // And is not begun once more.
    expect(await openRepository().enqueue(first)).toEqual(ended);
    expect((await repository.tenants.get('ten_A'))?.value.queue).toEqual([]);
  });

  test.each(['its beginning', 'its end'])(
    'is begun once, however many have followed it, where no listing could be written from %s on',
    async (since) => {
      const faults = { listsNothing: since === 'its beginning' };
      const repository = openRepository(storeThat(faults));
      const first = await repository.enqueue(operationOf('op_1'));
      faults.listsNothing = true;
      const ended = await carryOut(repository, first);
      for (const id of ['op_2', 'op_3']) await carryOut(repository, await repository.enqueue(operationOf(id)));
      expect((await repository.tenants.get('ten_A'))?.value.last?.id).toBe('op_3');

      expect(await repository.find('ten_A', 'op_1')).toEqual(ended);
      expect(await repository.enqueue(first)).toEqual(ended);
      expect((await repository.tenants.get('ten_A'))?.value.queue).toEqual([]);
      if (since === 'its end') expect(await repository.get('op_1')).toEqual(ended);

      faults.listsNothing = false;
      // Whoever finds it by its tenant has it listed.
      expect(await repository.find('ten_A', 'op_1')).toEqual(ended);
      expect(await openRepository().get('op_1')).toEqual(ended);
      expect((await openRepository().list({ pageSize: 10 })).operations.map(({ id, state }) => `${id} ${state}`).toSorted()).toEqual([
        'op_1 succeeded',
        'op_2 succeeded',
        'op_3 succeeded',
      ]);
    },
  );

  test('is listed as of its newest entry, in whatever order relays write', async () => {
    const repository = openRepository();
    const operation = operationOf('op_1');
    const ended = lifeOf(operation).at(-1) ?? operation;
    const items = (of: Operation) => repository.consequencesOf(undefined, of).filter(({ target }) => target === 'listing');
    const relays = [openRepository(), openRepository(), openRepository()];
    for (const [index, one] of [ended, operation, operation].entries()) {
      await repository.tenants.insert(`ten_${index}`, emptyTenantOperations(`ten_${index}`), items({ ...one, tenantId: `ten_${index}` }));
    }
    await Promise.all(relays.map((one, index) => one.relay.flush(one.tenants, `ten_${index}`, 'listing')));
    expect((await repository.get('op_1'))?.state).toBe('succeeded');
  });
});
