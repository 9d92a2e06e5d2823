// The soak itself, in its short form.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describeWithLab } from '@burgage/lab';
import { expect, test } from 'vitest';

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'soak.ts'), ...args], { encoding: 'utf8' });
  return { code: status, stdout, stderr };
}

test.each(['0', '1.5', 'an hour', '20000'])('--minutes %s is an error that says what was expected, exit code 2', (minutes) => {
  const { code, stdout, stderr } = run('--minutes', minutes);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(`--minutes: got "${minutes}", expected a whole number from 1 to 10080`);
});

describeWithLab('npm run soak', ['k6'], () => {
  test('in its short form shows a level memory, and nothing left of sockets, timers and files', () => {
    const { code, stdout, stderr } = run('--short');
    expect({ code, stderr, complaints: stdout.match(/^(?:grows|left|k6 said).*$/gm) }).toEqual({ code: 0, stderr: '', complaints: null });
    expect(stdout.match(/^flat {4}.*? MiB at the end/gm)).toHaveLength(3);
    expect(stdout).toMatch(/^flat {4}sockets, timers, files, connections: as before the load$/m);
    expect(stdout).toMatch(/^WebSocket messages that came back +[1-9]/m);
  }, 180_000);
});
