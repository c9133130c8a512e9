/** A price and a score step: providers that share both are equals in everything that a choice looks at. */
export interface PriceClass {
  readonly priceMicro: number;
  readonly step: number;
}

/**
 * An AVL tree of classes by price, then step, in which every subtree knows its best class. So the best among
 * those that an amount can pay is found in O(log n), however many cheaper-to-score ones it cannot pay.
 * Nodes are never changed: an update makes the path to the root anew.
 */
export interface ClassTree<C extends PriceClass> {
  readonly left: ClassTree<C> | undefined;
  readonly value: C;
  readonly right: ClassTree<C> | undefined;
  readonly height: number;
  /** Least step in this subtree, then least price. */
  readonly best: C;
}
type Maybe<C extends PriceClass> = ClassTree<C> | undefined;

/** Negative when `a` is the better choice. */
export function compareClasses(a: PriceClass, b: PriceClass): number {
  return a.step - b.step || a.priceMicro - b.priceMicro;
}

function node<C extends PriceClass>(left: Maybe<C>, value: C, right: Maybe<C>): ClassTree<C> {
  let best = value;
  if (left !== undefined && compareClasses(left.best, best) < 0) best = left.best;
  if (right !== undefined && compareClasses(right.best, best) < 0) best = right.best;
  return { left, value, right, height: 1 + Math.max(height(left), height(right)), best };
}

function height<C extends PriceClass>(tree: Maybe<C>): number {
  return tree?.height ?? 0;
}

/** As `node`, for subtrees whose heights differ by at most two. */
function balanced<C extends PriceClass>(left: Maybe<C>, value: C, right: Maybe<C>): ClassTree<C> {
  if (left !== undefined && left.height > height(right) + 1) {
    const inner = left.right;
    if (inner === undefined || height(left.left) >= inner.height) {
      return node(left.left, left.value, node(inner, value, right));
    }
    return node(node(left.left, left.value, inner.left), inner.value, node(inner.right, value, right));
  }
  if (right !== undefined && right.height > height(left) + 1) {
    const inner = right.left;
    if (inner === undefined || height(right.right) >= inner.height) {
      return node(node(left, value, inner), right.value, right.right);
    }
    return node(node(left, value, inner.left), inner.value, node(inner.right, right.value, right.right));
  }
  return node(left, value, right);
}

function order(priceMicro: number, step: number, other: PriceClass): number {
  return priceMicro - other.priceMicro || step - other.step;
}

export function findClass<C extends PriceClass>(
  tree: Maybe<C>,
  priceMicro: number,
  step: number,
): C | undefined {
  let at = tree;
  while (at !== undefined) {
    const side = order(priceMicro, step, at.value);
    if (side === 0) return at.value;
    at = side < 0 ? at.left : at.right;
  }
  return undefined;
}

/** `value` must not be in the tree. */
export function insertClass<C extends PriceClass>(tree: Maybe<C>, value: C): ClassTree<C> {
  if (tree === undefined) return node(undefined, value, undefined);
  return order(value.priceMicro, value.step, tree.value) < 0
    ? balanced(insertClass(tree.left, value), tree.value, tree.right)
    : balanced(tree.left, tree.value, insertClass(tree.right, value));
}

export function removeClass<C extends PriceClass>(tree: Maybe<C>, value: C): Maybe<C> {
  if (tree === undefined) return undefined;
  const side = order(value.priceMicro, value.step, tree.value);
  if (side < 0) return balanced(removeClass(tree.left, value), tree.value, tree.right);
  if (side > 0) return balanced(tree.left, tree.value, removeClass(tree.right, value));
  if (tree.right === undefined) return tree.left;
  const successor = first(tree.right);
  return balanced(tree.left, successor, removeClass(tree.right, successor));
}

function first<C extends PriceClass>(tree: ClassTree<C>): C {
  let at = tree;
  while (at.left !== undefined) at = at.left;
  return at.value;
}

/** Classes dearer than `priceMicro`, cheapest first, until `visit` gives false; false when it did. */
export function visitDearer<C extends PriceClass>(
  tree: Maybe<C>,
  priceMicro: number,
  visit: (value: C) => boolean,
): boolean {
  if (tree === undefined) return true;
  if (tree.value.priceMicro <= priceMicro) return visitDearer(tree.right, priceMicro, visit);
  return (
    visitDearer(tree.left, priceMicro, visit) &&
    visit(tree.value) &&
    visitDearer(tree.right, priceMicro, visit)
  );
}
