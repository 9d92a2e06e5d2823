// Cancelling operations and having them try again from the command line.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Platform, startPlatform, steady, typed } from '../../test/platform.ts';

let platform: Platform;
beforeEach(async () => {
  platform = await startPlatform();
  await run('tenants', 'create', '--company', 'Acme', '--plan', 'trial', '--owner', 'owner@acme.test');
});
afterEach(() => platform.stop());

const run = (...args: string[]) => typed(platform, args);
const newest = () => platform.provisioner.operations[0]?.operation.id ?? '';

/** A move that has come as far as its step `compute`. */
async function moving(): Promise<string> {
  platform.provisioner.mode = 'by_hand';
  await run('tenants', 'move', 'acme', '--to', 'silo');
  for (let i = 0; i < 2; i++) platform.provisioner.advance(newest());
  return newest();
}

test('an operation says what it is about and from which step on it only goes forward', async () => {
  const id = await moving();
  expect(steady((await run('operations', 'get', id)).out)).toContain(
    'kind       move pool → silo\ntenant     acme (ten_ID)\nstate      running\nno return  from open on; until then it can be cancelled\n',
  );
  expect(steady((await run('operations', 'list')).out)).toMatch(/\nop_move_ID +acme +move pool → silo +running +2\/12 /);
  platform.provisioner.mode = 'at_once';
  while (platform.provisioner.advance(id));
  expect((await run('operations', 'get', id)).out).not.toContain('no return');
});

test('a cancelled operation is what was wanted of cancel, and 7 for who waited for the operation itself', async () => {
  const id = await moving();
  const cancelled = await run('operations', 'cancel', id, '--wait');
  expect([cancelled.code, steady(cancelled.out)]).toEqual([0, 'cancelled in SOME TIME:  http://acme.localhost:8080\n']);
  const watched = await run('operations', 'watch', id);
  expect(watched.code).toBe(7);
  expect(watched.out).toBe('✔ check\n✔ compute\n↩ compute  undone\n↩ check  undone\n');
  expect(steady(watched.err)).toBe(
    [
      'error: The operation was cancelled. [operation_cancelled]',
      '  Somebody cancelled the operation op_move_ID.',
      '  what to do: Everything that it had done has been undone; ask again if it should be done after all.',
      '',
    ].join('\n'),
  );
  expect((await run('operations', 'list')).out).toMatch(/ cancelled /);
});

test('cancelling without waiting says what became of it', async () => {
  expect(steady((await run('operations', 'cancel', await moving())).out)).toBe(
    'op_move_ID is cancelled; everything that it had done is undone\n',
  );
});

test('past the point of no return cancelling ends with 4', async () => {
  const { code, err } = await run('operations', 'cancel', newest());
  expect(code).toBe(4);
  expect(steady(err)).toContain('[cancel_too_late]\n  The operation op_provision_ID has passed its step activate.\n');
});

test('an operation that needs attention ends with 7 and the command that has it go on, which then shows only what is new', async () => {
  platform.provisioner.attentionStep = 'source';
  const { code, err } = await run('tenants', 'move', 'acme', '--to', 'silo', '--wait');
  expect(code).toBe(7);
  expect(steady(err)).toContain(
    'what to do: Look at the log of the application, then have it tried again. Then: burgage operations retry op_move_ID\n',
  );
  const id = newest();
  expect(steady((await run('operations', 'get', id)).out)).toContain(
    'go on with  burgage operations retry op_move_ID\nno return   passed with open: it only goes forward\n',
  );
  platform.provisioner.mode = 'by_hand';
  const retried = run('operations', 'retry', id, '--wait');
  await expect.poll(() => platform.provisioner.advance(id), { interval: 5 }).toBe(true);
  while (platform.provisioner.advance(id));
  const { code: ended, out } = await retried;
  expect(ended).toBe(0);
  expect(steady(out)).toBe('✔ source\n✔ port\nmoved in SOME TIME:  http://acme.localhost:8080\n');
});

test.each([['cancel'], ['retry'], ['cancel', '--wait'], ['retry', '--wait']])(
  'an unknown operation ends with 3 (%s %s)',
  async (verb, ...more) => {
    const { code, out, err } = await run('operations', verb, 'op_1', ...more.filter((word) => word !== undefined));
    expect([code, out]).toEqual([3, '']);
    expect(err).toContain('[operation_not_found]\n  There is no operation "op_1".\n');
  },
);

test('retrying without waiting says how to follow it, as JSON it is the answer', async () => {
  platform.provisioner.attentionStep = 'source';
  await run('tenants', 'move', 'acme', '--to', 'silo');
  platform.provisioner.mode = 'by_hand';
  expect(steady((await run('operations', 'retry', newest())).out)).toBe(
    'op_move_ID goes on\nfollow it with: burgage operations watch op_move_ID\n',
  );
  expect((await run('operations', 'retry', newest())).err).toContain('[retry_not_possible]');
  const cancelled = await run('operations', 'cancel', await moving(), '-o', 'json');
  expect(cancelled.code === 0 ? JSON.parse(cancelled.out).operation.state : cancelled.err).toBe('cancelled');
});
