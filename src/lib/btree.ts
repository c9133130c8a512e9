import sortedBtree from 'sorted-btree';

/** A CommonJS package: Node.js gives its exports, loaders that know `__esModule` give the class itself. */
export const BTree = 'default' in sortedBtree ? sortedBtree.default : sortedBtree;
