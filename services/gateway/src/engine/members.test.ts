import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Member, Members, NumberedMembers } from './members.ts';

class Somebody implements Member {
  place = -1;
  joined = 0;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

const steps = fc.array(fc.record({ joins: fc.boolean(), key: fc.nat(8) }), { maxLength: 60 });

describe('members', () => {
  it('are those who have joined and not left, whatever the order', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const members = new Members<Somebody>();
        const people = Array.from({ length: 9 }, (_, index) => new Somebody(`${index}`));
        const expected = new Set<Somebody>();
        for (const { joins, key } of all) {
          const one = people[key] as Somebody;
          if (joins && !expected.has(one)) members.add(one);
          else if (!joins) members.delete(one);
          if (joins) expected.add(one);
          else expected.delete(one);
          expect(new Set(members)).toEqual(expected);
          expect(members.size).toBe(expected.size);
          for (const member of expected) expect(members.at(member.place)).toBe(member);
        }
      }),
    );
  });

  it('may leave while they are gone through, and others join', () => {
    const members = new Members<Somebody>();
    const people = ['a', 'b', 'c', 'd'].map((name) => new Somebody(name));
    for (const one of people) members.add(one);
    const seen: string[] = [];
    for (const one of members) {
      seen.push(one.name);
      members.delete(one);
      if (one !== people[0]) continue;
      members.delete(people[2] as Somebody);
      members.add(new Somebody('late'));
    }
    expect(seen.filter((name) => name !== 'late')).toEqual(['a', 'b', 'd']);
    expect([...members].map(({ name }) => name)).toEqual(seen.includes('late') ? [] : ['late']);
  });

  it('by their numbers are those of a Map', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const members = new NumberedMembers<Somebody>();
        const expected = new Map<number, Somebody>();
        for (const { joins, key } of all) {
          const one = new Somebody(`${key}`);
          if (joins) {
            members.add(key, one);
            expected.set(key, one);
          } else expect(members.delete(key)).toBe(expected.delete(key));
          expect(new Set(members)).toEqual(new Set(expected.values()));
          expect(members.size).toBe(expected.size);
          expect(members.get(key)).toBe(expected.get(key));
        }
      }),
    );
  });
});
