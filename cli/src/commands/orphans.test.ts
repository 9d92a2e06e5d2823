// Showing and removing what nobody owns from the command line.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Platform, startPlatform, typed } from '../../test/platform.ts';

let platform: Platform;
beforeEach(async () => {
  platform = await startPlatform();
});
afterEach(() => platform.stop());

const run = (...args: string[]) => typed(platform, args);
const left = () => platform.provisioner.possessions.map(({ id }) => id);

function leaveThree(): void {
  const tenantId = 'ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W';
  platform.provisioner.addPossession({ id: `database/own/${tenantId}`, kind: 'database', tenantId, detail: '12 KiB', orphan: true });
  platform.provisioner.addPossession({ id: 'port/9200', kind: 'port', orphan: true });
  platform.provisioner.addPossession({ id: 'zeppelin/1', kind: 'zeppelin', orphan: true });
  platform.provisioner.addPossession({ id: 'files/ten_1', kind: 'files', tenantId: 'ten_1' });
}

const table = [
  'ORPHAN                                       WHAT IT IS',
  'database/own/ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W  a database that no tenant uses: 12 KiB',
  'port/9200                                    a port that is kept for no tenant',
  'zeppelin/1                                   zeppelin',
  '',
].join('\n');

test('each is shown with what it is, and how to remove them', async () => {
  leaveThree();
  expect(await run('orphans')).toMatchObject({
    code: 0,
    out: `${table}\nNobody owns these. Remove with: burgage orphans --delete\n`,
    err: '',
  });
});

test('where there are none it says so, also when they should be removed', async () => {
  for (const args of [[], ['--delete', '--yes']]) {
    expect(await run('orphans', ...args)).toMatchObject({ code: 0, out: 'No orphans: everything has an owner.\n' });
  }
});

test('on a terminal it asks, and removes exactly what it has shown', async () => {
  leaveThree();
  const answer = await typed(platform, ['orphans', '--delete'], ['y']);
  expect(answer).toMatchObject({ code: 0, screen: `${table}Delete these 3 for good? [y/N] y\n\n3 deleted.\n` });
  expect(left()).toEqual(['files/ten_1']);
});

test.each([[['n']], [['']], [['delete']], [[]]])('where %j is typed nothing is removed', async (answers: string[]) => {
  leaveThree();
  const { code, out } = await typed(platform, ['orphans', '--delete'], answers);
  expect([code, out]).toEqual([0, `${table}Nothing was deleted.\n`]);
  expect(left()).toHaveLength(4);
});

test('without a terminal it needs --yes, and shows what it removes', async () => {
  leaveThree();
  const refused = await run('orphans', '--delete');
  expect([refused.code, refused.out]).toEqual([2, '']);
  expect(refused.err).toContain('[confirmation_missing]\n  --yes: is missing; without a terminal to ask on, expected a yes\n');
  expect(left()).toHaveLength(4);
  expect(await run('orphans', '--delete', '--yes')).toMatchObject({ code: 0, out: `${table}\n3 deleted.\n` });
});

test('what came meanwhile is not removed, and what has found an owner is left and said so', async () => {
  leaveThree();
  const { possessions } = platform.provisioner;
  const pending = typed(platform, ['orphans', '--delete'], {
    *[Symbol.iterator]() {
      platform.provisioner.addPossession({ id: 'port/9201', kind: 'port', orphan: true });
      for (const possession of possessions) if (possession.id === 'port/9200') possession.orphan = false;
      yield 'yes';
    },
  });
  expect((await pending).out).toBe(`${table}\n2 deleted.\nleft alone: port/9200, which has an owner by now or is gone\n`);
  expect(left()).toEqual(['port/9200', 'files/ten_1', 'port/9201']);
});

test('as JSON it is what was removed; what is asked about goes to standard error', async () => {
  leaveThree();
  const { out, err } = await typed(platform, ['orphans', '--delete', '-o', 'json'], ['y']);
  expect(JSON.parse(out)).toEqual({ deleted: expect.arrayContaining(['port/9200', 'zeppelin/1']), skipped: [] });
  expect(err).toContain(table);
});
