import sortedBtree from 'sorted-btree';
import { type ClassTree, findClass, insertClass, type PriceClass, removeClass } from './class-tree.ts';

// A CommonJS package: Node.js gives its exports, loaders that know `__esModule` give the class itself.
const BTree = 'default' in sortedBtree ? sortedBtree.default : sortedBtree;

/** What places a provider among those of its ring. */
export interface Place {
  readonly nodeId: string;
  /** Hash of the node id: where it stands on the circle that spreads equals. */
  readonly point: number;
  readonly step: number;
  readonly priceMicro: number;
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
  #classes: ClassTree<RingIndex<E>> | undefined;

  get size(): number {
    return this.#members.size;
  }

  get classes(): ClassTree<RingIndex<E>> | undefined {
    return this.#classes;
  }

  add(entry: E): void {
    this.#members.set(entry, entry);
    let found = findClass(this.#classes, entry.priceMicro, entry.step);
    if (found === undefined) {
      found = { priceMicro: entry.priceMicro, step: entry.step, members: this, size: 0 };
      this.#classes = insertClass(this.#classes, found);
    }
    found.size++;
  }

  remove(entry: E): void {
    if (!this.#members.delete(entry)) return;
    const found = findClass(this.#classes, entry.priceMicro, entry.step);
    if (found !== undefined && --found.size === 0) this.#classes = removeClass(this.#classes, found);
  }

  /** The members of a class that `accept` takes, clockwise from `point`, at most `limit`; each is asked about once. */
  clockwise(of: PriceClass, point: number, limit: number, accept: (entry: E) => boolean): E[] {
    const taken: E[] = [];
    let asked = 0;
    for (const entry of this.#from(of, point)) {
      asked++;
      if (accept(entry) && taken.push(entry) === limit) return taken;
    }
    if (asked === of.size) return taken;
    for (const entry of this.#from(of, 0)) {
      if (entry.point >= point) break;
      if (accept(entry) && taken.push(entry) === limit) break;
    }
    return taken;
  }

  *#from(of: PriceClass, point: number): Generator<E> {
    const start: Place = { nodeId: '', point, step: of.step, priceMicro: of.priceMicro };
    for (const entry of this.#members.values(start)) {
      if (entry.step !== of.step || entry.priceMicro !== of.priceMicro) return;
      yield entry;
    }
  }
}
