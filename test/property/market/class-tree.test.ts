import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BestFirst } from '../../../src/market/best-first.ts';
import {
  type ClassTree,
  compareClasses,
  findClass,
  insertClass,
  type PriceClass,
  removeClass,
  visitDearer,
} from '../../../src/market/class-tree.ts';

type Maybe = ClassTree<PriceClass> | undefined;

const keys = fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 30 }));
const operations = fc.array(fc.tuple(fc.boolean(), keys), { maxLength: 300 });

/** A tree and what it must hold, after adding what is absent and removing what is there. */
function grown(steps: [boolean, [number, number]][]): { tree: Maybe; model: PriceClass[] } {
  const model = new Map<string, PriceClass>();
  let tree: Maybe;
  for (const [adds, [priceMicro, step]] of steps) {
    const key = `${priceMicro}:${step}`;
    const known = model.get(key);
    expect(findClass(tree, priceMicro, step)).toBe(known);
    if (adds && known === undefined) {
      const value = { priceMicro, step };
      tree = insertClass(tree, value);
      model.set(key, value);
    } else if (!adds && known !== undefined) {
      tree = removeClass(tree, known);
      model.delete(key);
    }
  }
  return { tree, model: [...model.values()] };
}

function inOrder(tree: Maybe): PriceClass[] {
  return tree === undefined ? [] : [...inOrder(tree.left), tree.value, ...inOrder(tree.right)];
}

function checkShape(tree: Maybe): number {
  if (tree === undefined) return 0;
  const [left, right] = [checkShape(tree.left), checkShape(tree.right)];
  expect(Math.abs(left - right)).toBeLessThanOrEqual(1);
  expect(tree.height).toBe(1 + Math.max(left, right));
  expect(tree.best).toBe(inOrder(tree).sort(compareClasses)[0]);
  return tree.height;
}

const byPrice = (a: PriceClass, b: PriceClass) => a.priceMicro - b.priceMicro || a.step - b.step;

describe('the tree of classes', () => {
  it('stays ordered and balanced, and knows the best of every subtree', () => {
    fc.assert(
      fc.property(operations, (steps) => {
        const { tree, model } = grown(steps);
        expect(inOrder(tree)).toEqual(model.toSorted(byPrice));
        checkShape(tree);
      }),
    );
  });

  it('gives those within a price best first, over several trees', () => {
    fc.assert(
      fc.property(fc.array(operations, { maxLength: 3 }), fc.integer({ min: -1, max: 31 }), (all, most) => {
        const parts = all.map(grown);
        const best = new BestFirst(
          parts.map(({ tree }) => ({ classes: tree })),
          most,
        );
        const given: PriceClass[] = [];
        for (
          let peeked = best.peek(), next = best.next();
          next !== undefined;
          peeked = best.peek(), next = best.next()
        ) {
          expect(peeked).toBe(next);
          given.push(next);
        }
        const expected = parts.flatMap(({ model }) => model).filter(({ priceMicro }) => priceMicro <= most);
        expect(given).toEqual(expected.sort(compareClasses));
      }),
    );
  });

  it('visits those beyond a price cheapest first, until told to stop', () => {
    fc.assert(
      fc.property(
        operations,
        fc.integer({ min: -1, max: 31 }),
        fc.integer({ min: 1, max: 5 }),
        (steps, price, limit) => {
          const { tree, model } = grown(steps);
          const visited: PriceClass[] = [];
          const whole = visitDearer(tree, price, (value) => visited.push(value) < limit);
          const dearer = model.filter(({ priceMicro }) => priceMicro > price).sort(byPrice);
          expect(visited).toEqual(dearer.slice(0, limit));
          expect(whole).toBe(dearer.length < limit);
        },
      ),
    );
  });
});
