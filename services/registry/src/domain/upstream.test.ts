import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress, parseUpstream } from './upstream.ts';

const endpoint = (address: string, weight = 0, zone = '') => ({ address, weight, zone });

describe('parseUpstream', () => {
  it('puts endpoints in order and gives those without a weight one', () => {
    const result = parseUpstream('desk-shared', [endpoint('b.example:2', 5, 'eu-1'), endpoint('a.example:1')]);
    expect(result).toEqual({
      ok: true,
      value: { name: 'desk-shared', endpoints: [endpoint('a.example:1', 1), endpoint('b.example:2', 5, 'eu-1')] },
    });
  });

  it('takes an upstream without endpoints', () => {
    expect(parseUpstream('empty', []).ok).toBe(true);
  });

  it('is the same for the same endpoints in any order', () => {
    const endpoints = fc.uniqueArray(
      fc.record({
        address: fc.tuple(fc.domain(), fc.integer({ min: 1, max: 65_535 })).map(([host, port]) => `${host.toLowerCase()}:${port}`),
        weight: fc.integer({ min: 0, max: 100 }),
        zone: fc.constantFrom('', 'a'),
      }),
      {
        selector: ({ address }) => address,
        maxLength: 10,
      },
    );
    fc.assert(
      fc.property(endpoints, fc.infiniteStream(fc.nat()), (list, order) => {
        const shuffled = list
          .map((item) => ({ item, at: order.next().value }))
          .sort((a, b) => a.at - b.at)
          .map(({ item }) => item);
        expect(parseUpstream('x', shuffled)).toEqual(parseUpstream('x', list));
      }),
    );
  });

  it('names every field that is wrong', () => {
    const result = parseUpstream('Desk Shared', [endpoint('nowhere'), endpoint('a.example:80', 101, 'a zone'), endpoint('a.example:080')]);
    expect(result.ok).toBe(false);
    if (result.ok) return;
    expect(result.error.code).toBe('invalid_argument');
    expect(result.error.fields.map(({ field }) => field)).toEqual([
      'name',
      'endpoints[0].address',
      'endpoints[1].weight',
      'endpoints[1].zone',
      'endpoints[2].address',
    ]);
  });

  it.each(['', 'Desk', 'a b', 'ten/1', 'x'.repeat(64)])('refuses the name %j', (name) => {
    expect(parseUpstream(name, []).ok).toBe(false);
  });
});

describe('parseAddress', () => {
  it.each([
    ['127.0.0.1:9100', '127.0.0.1:9100'],
    ['[::1]:80', '[::1]:80'],
    ['Localhost:08080', 'localhost:8080'],
    ['desk.default.svc.cluster.local:80', 'desk.default.svc.cluster.local:80'],
  ])('takes %s', (text, address) => {
    expect(parseAddress(text)).toBe(address);
  });

  it.each([
    '',
    'host',
    'host:',
    ':80',
    'host:0',
    'host:65536',
    'host:-1',
    'host:80:80',
    '::1:80',
    '[::1]',
    'http://host:80',
    'us er@host:80',
    'host.:80',
    '0x7f.1:80',
    'host:8e1',
  ])('refuses %j', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});
