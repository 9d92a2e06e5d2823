// Who belongs to something that many join and leave all the time.

/** Both are for `Members` to write. */
export interface Member {
  /** Among the members; -1: it is none. */
  place: number;
  /** Lower than that of whoever joined later, wherever that was. */
  joined: number;
}

let joined = 0;

/**
 * Hot path. In place of a Set, whose tables V8 links: one that was outgrown points to the next. Once one of them has grown old,
 * whoever was ever in one of those after it outlives every collection of the young, and costs several times as much to collect.
 */
export class Members<M extends Member> implements Iterable<M> {
  readonly #all: (M | undefined)[] = [];
  /** As many stay as there were at most. */
  readonly #free: number[] = [];

  get size(): number {
    return this.#all.length - this.#free.length;
  }

  add(member: M): void {
    const place = this.#free.pop() ?? this.#all.length;
    this.#all[place] = member;
    member.place = place;
    member.joined = joined++;
  }

  /** Nothing where it is none. */
  delete(member: M): void {
    const { place } = member;
    if (place < 0) return;
    this.#all[place] = undefined;
    this.#free.push(place);
    member.place = -1;
  }

  at(place: number): M | undefined {
    return this.#all[place];
  }

  /** In no order. Members may leave meanwhile; who joins may be left out. */
  *[Symbol.iterator](): Iterator<M> {
    for (const member of this.#all) if (member !== undefined) yield member;
  }
}

/** Hot path. Members by their numbers, in place of a Map: the tables of the one in here point to nobody. */
export class NumberedMembers<M extends Member> implements Iterable<M> {
  readonly #members = new Members<M>();
  readonly #places = new Map<number, number>();

  get size(): number {
    return this.#places.size;
  }

  get(number: number): M | undefined {
    const place = this.#places.get(number);
    return place === undefined ? undefined : this.#members.at(place);
  }

  /** Whoever was there by that number leaves. */
  add(number: number, member: M): void {
    this.delete(number);
    this.#members.add(member);
    this.#places.set(number, member.place);
  }

  /** False where there was none. */
  delete(number: number): boolean {
    const member = this.get(number);
    if (member === undefined) return false;
    this.#members.delete(member);
    return this.#places.delete(number);
  }

  [Symbol.iterator](): Iterator<M> {
    return this.#members[Symbol.iterator]();
  }
}
