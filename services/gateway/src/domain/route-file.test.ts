// The route file of a gateway that runs alone.
import { describe, expect, it } from 'vitest';
import { freshNames } from '../testing/tables.ts';
import { parseRouteFile } from './route-file.ts';

const line = (fields: Record<string, unknown>) =>
  JSON.stringify({ host: 't1.example.com', tenant: 'ten_1', backends: ['127.0.0.1:9100'], ...fields });

function problems(text: string): string[] {
  const parsed = parseRouteFile(text, 'routes.ndjson', freshNames());
  if (parsed.ok) return [];
  expect(parsed.error.code).toBe('route_file_invalid');
  return parsed.error.fields.map(({ field, description }) => `${field}: ${description}`);
}

describe('parseRouteFile', () => {
  it('reads the documented line', () => {
    const parsed = parseRouteFile(
      '# routes\n\n{"host":"T1.example.com.","tenant":"ten_1","plan":"starter","state":"active","backends":["127.0.0.1:9100"],"limits":{"requestsPerSecond":1000,"concurrency":100}}\n',
      'routes.ndjson',
      freshNames(),
    );
    if (!parsed.ok) throw parsed.error;
    const match = parsed.value.find('t1.example.com');
    expect(match?.tenant).toMatchObject({
      tenantId: 'ten_1',
      plan: 'starter',
      state: 'active',
      limits: { requestsPerSecond: 1000, concurrency: 100 },
    });
    expect(parsed.value.endpoints(match?.tenant?.upstream ?? '')).toEqual([{ address: '127.0.0.1:9100', weight: 1, zone: '' }]);
  });

  it.each([
    ['{', /^routes\.ndjson:1: is not JSON/],
    ['[]', /^routes\.ndjson:1: /],
    [line({ host: 'a b' }), /^routes\.ndjson:1: host: got "a b", .*space/],
    [line({ host: undefined }), /^routes\.ndjson:1: host: /],
    [line({ tenant: '' }), /^routes\.ndjson:1: tenant: /],
    [line({ state: 'asleep' }), /^routes\.ndjson:1: state: /],
    [line({ backends: ['nowhere'] }), /^routes\.ndjson:1: backends\.0: got "nowhere", expected host:port/],
    [line({ backends: ['a:0'] }), /^routes\.ndjson:1: backends\.0: /],
    [line({ limits: { requestsPerSecond: -1 } }), /^routes\.ndjson:1: limits\.requestsPerSecond: /],
    [line({ limits: { perSecond: 1 } }), /^routes\.ndjson:1: limits\.perSecond: is not known/],
    [line({ bakends: [] }), /^routes\.ndjson:1: .*bakends/],
  ])('refuses %s', (text, problem) => {
    expect(problems(text)).toEqual([expect.stringMatching(problem)]);
  });

  it('names every bad line with its number, up to a bound, and how many more there are', () => {
    expect(problems(`${line({})}\n{\n\n${line({ host: 'T1.EXAMPLE.com' })}`)).toEqual([
      expect.stringMatching(/^routes\.ndjson:2: is not JSON/),
      'routes.ndjson:4: host: "t1.example.com" was given on line 1 before',
    ]);
    const parsed = parseRouteFile('{\n'.repeat(30), 'routes.ndjson', freshNames());
    expect(parsed.ok ? '' : parsed.error.message).toMatch(/routes\.ndjson:20: .*; and 10 more$/);
  });

  it('takes several hosts of one tenant that agree about it', () => {
    expect(problems(`${line({})}\n${line({ host: 'other.example.com' })}`)).toEqual([]);
    expect(problems(`${line({})}\n${line({ host: 'other.example.com', plan: 'starter' })}`)).toEqual([
      'routes.ndjson:2: tenant: "ten_1" was described otherwise on line 1',
    ]);
  });
});
