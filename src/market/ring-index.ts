import { BTree } from '../lib/btree.ts';
import { type ClassTree, findClass, insertClass, type PriceClass, removeClass } from './class-tree.ts';

/** Points are unsigned 32-bit integers. */
const CIRCLE = 2 ** 32;

/** The values that order providers within a ring. */
export interface Place {
  readonly nodeId: string;
  /** Hash of the node id: where it stands on the circle that spreads equals. */
  readonly point: number;
  readonly step: number;
  readonly priceMicro: number;
}

/** The providers of one ring with one price and one score step. */
export interface EntryClass<E extends Place> extends PriceClass {
  /** Where its members are. */
  readonly index: RingIndex<E>;
  size: number;
  /** The only member since the first; undefined once there were more. */
  sole: E | undefined;
}

function comparePlaces(a: Place, b: Place): number {
  if (a.step !== b.step) return a.step - b.step;
  if (a.priceMicro !== b.priceMicro) return a.priceMicro - b.priceMicro;
  if (a.point !== b.point) return a.point - b.point;
  return a.nodeId < b.nodeId ? -1 : a.nodeId > b.nodeId ? 1 : 0;
}

/**
 * The providers of one capability in one ring, by score step, price and point. Every operation is O(log n).
 * An entry's place must not change while it is inside.
 */
export class RingIndex<E extends Place> {
  readonly #members = new BTree<Place, E>(undefined, comparePlaces);
  #classes: ClassTree<EntryClass<E>> | undefined;

  get size(): number {
    return this.#members.size;
  }

  get classes(): ClassTree<EntryClass<E>> | undefined {
    return this.#classes;
  }

  add(entry: E): void {
    this.#members.set(entry, entry);
    let found = findClass(this.#classes, entry.priceMicro, entry.step);
    if (found === undefined) {
      const { priceMicro, step } = entry;
      found = { priceMicro, step, index: this, size: 1, sole: entry };
      this.#classes = insertClass(this.#classes, found);
    } else {
      found.size++;
      found.sole = undefined;
    }
  }

  remove(entry: E): void {
    if (!this.#members.delete(entry)) return;
    const found = findClass(this.#classes, entry.priceMicro, entry.step);
    if (found !== undefined && --found.size === 0) this.#classes = removeClass(this.#classes, found);
  }

  /** The members of a class that `accept` takes, clockwise from `point`, at most `limit`; each is asked about once. */
  clockwise(of: EntryClass<E>, point: number, limit: number, accept: (entry: E) => boolean): E[] {
    if (of.sole !== undefined) return accept(of.sole) ? [of.sole] : [];
    const taken: E[] = [];
    const asked = this.#take(taken, of, point, CIRCLE, limit, accept);
    if (taken.length < limit && asked < of.size) this.#take(taken, of, 0, point, limit, accept);
    return taken;
  }

  /** Adds the members from one point to before another; gives how many it asked about. */
  #take(
    taken: E[],
    of: PriceClass,
    from: number,
    to: number,
    limit: number,
    accept: (entry: E) => boolean,
  ): number {
    const { step, priceMicro } = of;
    let asked = 0;
    for (const [, entry] of this.#members.entries({ nodeId: '', point: from, step, priceMicro }, [])) {
      if (entry.step !== step || entry.priceMicro !== priceMicro || entry.point >= to) break;
      asked++;
      if (accept(entry) && taken.push(entry) === limit) break;
    }
    return asked;
  }
}
