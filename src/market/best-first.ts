import { type ClassTree, compareClasses, type PriceClass } from './class-tree.ts';

/** A subtree that waits to be opened, or, without `tree`, a single class. `best` is the best it can give. */
interface Waiting<C extends PriceClass> {
  best: C;
  tree: ClassTree<C> | undefined;
}

/**
 * Enumerates the classes of several trees that cost at most `maxPriceMicro`, best first, opening no more of the
 * trees than is asked for: O(log n) for each class given.
 */
export class BestFirst<C extends PriceClass> {
  /** A binary heap by `best`. */
  readonly #heap: Waiting<C>[] = [];

  constructor(sources: readonly { classes: ClassTree<C> | undefined }[], maxPriceMicro: number) {
    for (const { classes } of sources) {
      let at = classes;
      while (at !== undefined) {
        if (at.value.priceMicro > maxPriceMicro) {
          at = at.left;
          continue;
        }
        this.#push(at.value, undefined);
        if (at.left !== undefined) this.#push(at.left.best, at.left);
        at = at.right;
      }
    }
  }

  peek(): C | undefined {
    return this.#heap[0]?.best;
  }

  next(): C | undefined {
    const top = this.#pop();
    if (top === undefined) return undefined;
    let at = top.tree;
    // Follows the best class down, leaving what lies beside the path for later.
    while (at !== undefined) {
      const { left, right, value } = at;
      if (value !== top.best) this.#push(value, undefined);
      const next = left?.best === top.best ? left : right?.best === top.best ? right : undefined;
      if (left !== undefined && left !== next) this.#push(left.best, left);
      if (right !== undefined && right !== next) this.#push(right.best, right);
      at = next;
    }
    return top.best;
  }

  #push(best: C, tree: ClassTree<C> | undefined): void {
    const heap = this.#heap;
    const added = { best, tree };
    let index = heap.length;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || compareClasses(parent.best, best) <= 0) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = added;
  }

  #pop(): Waiting<C> | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = heap[childIndex];
      if (child === undefined) break;
      const other = heap[childIndex + 1];
      if (other !== undefined && compareClasses(other.best, child.best) < 0) {
        child = other;
        childIndex++;
      }
      if (compareClasses(last.best, child.best) <= 0) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = last;
    return top;
  }
}
