// Tests of the settings of the events: what is refused, and that the number of replicas reaches the server.
import { describeWithLab } from '@burgage/lab';
import { createLogger, readSettings } from '@burgage/runtime';
import { describe, expect, test } from 'vitest';
import { backDoor } from './nats/testing/server.ts';
import { eventsSettings, openEvents } from './settings.ts';

const readReplicas = (text: string) => readSettings(eventsSettings, { argv: [], env: { BURGAGE_EVENTS_REPLICAS: text } }).eventsReplicas;

describe('the number of replicas', () => {
  test.each(['1', '3', '5'])('%s is taken', (text) => {
    expect(readReplicas(text)).toBe(Number(text));
  });

  test('not given is none, which changes no stream that is there', () => {
    expect(readReplicas('')).toBeUndefined();
  });

  test.each(['0', '6', '1.5', '-1', 'three', 'true'])('%s is refused by the name of the variable', (text) => {
    expect(() => readReplicas(text)).toThrow(
      expect.objectContaining({
        code: 'config_invalid',
        message: `BURGAGE_EVENTS_REPLICAS: ${JSON.stringify(text)} is not valid: expected a whole number from 1 to 5`,
      }),
    );
  });
});

const logger = createLogger({ service: 'test', level: 'error' });

test('an empty variable is no address, an empty flag is one that is not valid', () => {
  expect(readSettings(eventsSettings, { argv: [], env: { BURGAGE_EVENTS: '' } }).events).toBeUndefined();
  expect(() => readSettings(eventsSettings, { argv: ['--events', ''], env: {} })).toThrow('--events: "" is not valid: expected an address');
});

test('an address that is none of NATS is refused in the name of the flag and the variable, without its password', async () => {
  const url = 'nats://one:4222,nats://me:hunter2@two/path';
  const error: unknown = await openEvents({ url, file: '', logger }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'config_invalid',
    message: expect.stringMatching(/^--events \(BURGAGE_EVENTS\): server 2 is not an address of NATS, expected nats:/),
  });
  expect(String(error)).not.toContain('hunter2');
});

test('a name that does not resolve is a server that is away', async () => {
  await expect(openEvents({ url: 'nats://no-such-host.invalid', file: '', logger })).rejects.toMatchObject({ code: 'unavailable' });
});

describeWithLab('openEvents', ['nats'], (lab) => {
  test('asks the server for the number of replicas that is given, and for none where none is', async () => {
    const { url } = lab.server('nats');
    await (await openEvents({ url, file: '', logger })).close();
    await using door = await backDoor(url);
    expect((await door.manager.streams.info(door.layout.eventsStream)).config.num_replicas).toBe(1);
    // One server alone cannot have three.
    await expect(openEvents({ url, replicas: 3, file: '', logger })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/^stream burgage-events: the NATS server refuses it: replicas > 1 not supported/),
    });
  });
});
