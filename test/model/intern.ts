/** Gives equal values one small number, so that a world of many parts is a short row of integers. */
export class Interner<T> {
  readonly #ids = new Map<string, number>();
  readonly #values: T[] = [];

  /** The number of the value named by `key`; the first value under a key stands for all. */
  id(key: string, make: () => T): number {
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#values.length;
    this.#ids.set(key, id);
    this.#values.push(make());
    return id;
  }

  get(id: number): T {
    const value = this.#values[id];
    if (value === undefined) throw new RangeError(`Nothing has the number ${id}.`);
    return value;
  }

  get size(): number {
    return this.#values.length;
  }
}

/** Sets of small numbers, each set a number itself; 0 is the empty one. */
export class IdSets {
  /** More than there ever are members. */
  static readonly #MEMBERS = 2 ** 20;
  readonly #sets = new Interner<readonly number[]>();
  readonly #sums = new Map<number, number>();
  readonly #rests = new Map<number, number>();

  constructor() {
    this.of([]);
  }

  of(members: Iterable<number>): number {
    const sorted = [...new Set(members)].sort((a, b) => a - b);
    return this.#sets.id(sorted.join(), () => sorted);
  }

  get(set: number): readonly number[] {
    return this.#sets.get(set);
  }

  with(set: number, member: number): number {
    return remembered(this.#sums, set * IdSets.#MEMBERS + member, () => this.of([...this.get(set), member]));
  }

  without(set: number, member: number): number {
    return remembered(this.#rests, set * IdSets.#MEMBERS + member, () =>
      this.of(this.get(set).filter((each) => each !== member)),
    );
  }

  /** Both together. */
  join(set: number, other: number): number {
    if (other === 0 || set === other) return set;
    if (set === 0) return other;
    return this.get(other).reduce((all, member) => this.with(all, member), set);
  }
}

/** Of a `Map` or a `WeakMap`: what it has under `key`, made where it has nothing. */
export function remembered<K, V>(
  memory: { get(key: K): V | undefined; set(key: K, value: V): unknown },
  key: K,
  make: () => V,
): V {
  const known = memory.get(key);
  if (known !== undefined) return known;
  const made = make();
  memory.set(key, made);
  return made;
}
