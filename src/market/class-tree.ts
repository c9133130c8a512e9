/**
 * Providers of one ring with one price and one score step: equals in everything that a choice looks at.
 * `Members` is where they are found, so that who enumerates classes can reach them.
 */
export interface PriceClass<Members = unknown> {
  readonly priceMicro: number;
  readonly step: number;
  readonly members: Members;
  size: number;
}

/**
 * An AVL tree of classes by price, then step, in which every subtree knows its best class. So the best among
 * those that an amount can pay is found in O(log n), however many cheaper-to-score ones it cannot pay.
 * Nodes are never changed: an update makes the path to the root anew.
 */
export interface ClassTree<Members> {
  readonly left: ClassTree<Members> | undefined;
  readonly value: PriceClass<Members>;
  readonly right: ClassTree<Members> | undefined;
  readonly height: number;
  /** Least step in this subtree, then least price. */
  readonly best: PriceClass<Members>;
}
type Maybe<M> = ClassTree<M> | undefined;

/** Negative when `a` is the better choice. */
export function compareClasses(a: PriceClass, b: PriceClass): number {
  return a.step - b.step || a.priceMicro - b.priceMicro;
}

function node<M>(left: Maybe<M>, value: PriceClass<M>, right: Maybe<M>): ClassTree<M> {
  let best = value;
  if (left !== undefined && compareClasses(left.best, best) < 0) best = left.best;
  if (right !== undefined && compareClasses(right.best, best) < 0) best = right.best;
  return { left, value, right, height: 1 + Math.max(height(left), height(right)), best };
}

function height<M>(tree: Maybe<M>): number {
  return tree?.height ?? 0;
}

/** As `node`, for subtrees whose heights differ by at most two. */
function balanced<M>(left: Maybe<M>, value: PriceClass<M>, right: Maybe<M>): ClassTree<M> {
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

export function findClass<M>(tree: Maybe<M>, priceMicro: number, step: number): PriceClass<M> | undefined {
  let at = tree;
  while (at !== undefined) {
    const side = order(priceMicro, step, at.value);
    if (side === 0) return at.value;
    at = side < 0 ? at.left : at.right;
  }
  return undefined;
}

/** `value` must not be in the tree. */
export function insertClass<M>(tree: Maybe<M>, value: PriceClass<M>): ClassTree<M> {
  if (tree === undefined) return node(undefined, value, undefined);
  return order(value.priceMicro, value.step, tree.value) < 0
    ? balanced(insertClass(tree.left, value), tree.value, tree.right)
    : balanced(tree.left, tree.value, insertClass(tree.right, value));
}

export function removeClass<M>(tree: Maybe<M>, value: PriceClass<M>): Maybe<M> {
  if (tree === undefined) return undefined;
  const side = order(value.priceMicro, value.step, tree.value);
  if (side < 0) return balanced(removeClass(tree.left, value), tree.value, tree.right);
  if (side > 0) return balanced(tree.left, tree.value, removeClass(tree.right, value));
  if (tree.right === undefined) return tree.left;
  const successor = first(tree.right);
  return balanced(tree.left, successor, removeClass(tree.right, successor));
}

function first<M>(tree: ClassTree<M>): PriceClass<M> {
  let at = tree;
  while (at.left !== undefined) at = at.left;
  return at.value;
}

/** Classes dearer than `priceMicro`, cheapest first, until `visit` gives false; false when it did. */
export function visitDearer<M>(
  tree: Maybe<M>,
  priceMicro: number,
  visit: (value: PriceClass<M>) => boolean,
): boolean {
  if (tree === undefined) return true;
  if (tree.value.priceMicro <= priceMicro) return visitDearer(tree.right, priceMicro, visit);
  return (
    visitDearer(tree.left, priceMicro, visit) &&
    visit(tree.value) &&
    visitDearer(tree.right, priceMicro, visit)
  );
}
