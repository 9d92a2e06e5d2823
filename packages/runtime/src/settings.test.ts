import { isBurgageError } from '@burgage/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineSettings, describeSettings, readSettings, usageOf } from './settings.ts';

const definition = defineSettings({
  port: {
    flag: 'port',
    env: 'BURGAGE_PORT',
    schema: z.coerce.number().int().min(0).max(65_535),
    default: '8080',
    description: 'The port of the gateway.',
  },
  data: { flag: 'data', env: 'BURGAGE_DATA', schema: z.string(), description: 'The data folder.' },
  token: { flag: 'admin-token', env: 'BURGAGE_TOKEN', schema: z.string().min(8).optional(), description: 'The admin token.', secret: true },
  store: {
    flag: 'store',
    env: 'BURGAGE_STORE',
    schema: z.string().startsWith('mongodb://').optional(),
    description: 'The store.',
    secret: 'url',
  },
  verbose: { flag: 'verbose', schema: z.stringbool(), default: 'false', description: 'Say more.' },
});

function problemsOf(argv: string[], env: Record<string, string> = {}): Record<string, string> {
  try {
    readSettings(definition, { argv, env });
  } catch (error) {
    if (isBurgageError(error, 'config_invalid'))
      return Object.fromEntries(error.fields.map(({ field, description }) => [field, description]));
    throw error;
  }
  return {};
}

test('a flag wins over the environment, and the environment over the default', () => {
  const read = (argv: string[], env: Record<string, string>) => readSettings(definition, { argv: [...argv, '--data', 'd'], env }).port;
  expect(read([], {})).toBe(8080);
  expect(read([], { BURGAGE_PORT: '81' })).toBe(81);
  expect(read(['--port=82'], { BURGAGE_PORT: '81' })).toBe(82);
  expect(read([], { BURGAGE_PORT: '' })).toBe(8080);
});

test('values are typed, switches need no value, what is optional may be missing', () => {
  const values = readSettings(definition, { argv: ['--data', '.burgage', '--verbose'], env: {} });
  expect(values).toEqual({ port: 8080, data: '.burgage', token: undefined, store: undefined, verbose: true });
  expect(readSettings(definition, { argv: ['--verbose=false', '--data=x=y'], env: {} })).toMatchObject({ verbose: false, data: 'x=y' });
});

test('every problem is named at once: where, what came, what was expected', () => {
  expect(problemsOf(['--port', 'many', 'extra', '--verbose=perhaps'], {})).toEqual({
    '--port': expect.stringMatching(/"many" is not valid: .*expected number/),
    extra: 'is not a flag; expected --NAME VALUE',
    '--verbose': expect.stringMatching(/"perhaps" is not valid/),
    '--data': 'is missing; expected the data folder.',
  });
});

test('a bad variable is named as the variable', () => {
  expect(problemsOf(['--data', 'd'], { BURGAGE_PORT: '70000' })).toEqual({ BURGAGE_PORT: expect.stringContaining('"70000" is not valid') });
});

test('an unknown flag is refused with the one that was meant', () => {
  expect(problemsOf(['--data', 'd', '--prot', '80'])).toEqual({ '--prot': 'is not known; did you mean --port?' });
  expect(problemsOf(['--data', 'd', '--xyzzy'])['--xyzzy']).toContain('expected one of --port, --data, --admin-token, --store, --verbose');
});

test('a flag that is given twice or without a value is refused', () => {
  expect(problemsOf(['--data', 'd', '--port', '1', '--port', '2'])).toEqual({ '--port': 'is given twice; expected once' });
  expect(problemsOf(['--data', 'd', '--port'])).toEqual({ '--port': 'has no value; expected one after it' });
  expect(problemsOf(['--data', '--verbose'])).toEqual({ '--data': 'has no value; expected one after it' });
});

test('a secret is neither shown nor quoted in an error', () => {
  expect(JSON.stringify(problemsOf(['--data', 'd'], { BURGAGE_TOKEN: 'hunter2' }))).not.toContain('hunter2');
  const env = { BURGAGE_TOKEN: 'correct horse', BURGAGE_STORE: 'mongodb://user:hunter2@db/x' };
  const values = readSettings(definition, { argv: ['--data', 'd'], env });
  expect(values).toMatchObject({ token: env.BURGAGE_TOKEN, store: env.BURGAGE_STORE });
  expect(describeSettings(definition, values)).toEqual({
    port: 8080,
    data: 'd',
    token: '•••',
    store: 'mongodb://user:•••@db/x',
    verbose: false,
  });
});

test('a secret on the command line is refused, and so is an address with a password; one without is taken', () => {
  const refused = {
    secret: problemsOf(['--data', 'd', '--admin-token', 'correct horse']),
    address: problemsOf(['--data', 'd', '--store', 'mongodb://user:hunter2@db']),
  };
  expect(refused.secret).toEqual({
    '--admin-token': 'got a secret on the command line, where every user of the machine can read it; expected it in BURGAGE_TOKEN',
  });
  expect(refused.address).toEqual({
    '--store': 'got a password on the command line, where every user of the machine can read it; expected it in BURGAGE_STORE',
  });
  expect(JSON.stringify(refused)).not.toMatch(/correct horse|hunter2/);
  expect(readSettings(definition, { argv: ['--data', 'd', '--store', 'mongodb://db'], env: {} }).store).toBe('mongodb://db');
});

test('an address that is not valid is quoted without its password', () => {
  const problems = problemsOf(['--data', 'd'], { BURGAGE_STORE: 'mongo://user:hunter2@db' });
  expect(problems.BURGAGE_STORE).toMatch(/^"mongo:\/\/user:•••@db" is not valid/);
});

test('the help text names every flag with its variable and default', () => {
  expect(usageOf(definition)).toBe(
    [
      '  --port VALUE         The port of the gateway. ($BURGAGE_PORT, default 8080)\n',
      '  --data VALUE         The data folder. ($BURGAGE_DATA)\n',
      '  --admin-token VALUE  The admin token. ($BURGAGE_TOKEN)\n',
      '  --store VALUE        The store. ($BURGAGE_STORE)\n',
      '  --verbose            Say more. (default false)\n',
    ].join(''),
  );
});

test('no arguments whatever make it throw anything but config_invalid', () => {
  const word = fc.oneof(
    fc.constantFrom('--port', '--data', '--data=', '--verbose', '--', '--=', '--port=1', '80'),
    fc.string({ maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
      try {
        expect(typeof readSettings(definition, { argv, env: {} }).port).toBe('number');
      } catch (error) {
        expect(isBurgageError(error, 'config_invalid')).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});
