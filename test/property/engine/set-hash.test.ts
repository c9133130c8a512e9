import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SetHash } from '../../../src/engine/set-hash.ts';

const elements = fc.uniqueArray(fc.string({ unit: 'binary' }), { maxLength: 12 });
const hashOf = (set: readonly string[]): string => {
  const hash = new SetHash();
  for (const element of set) hash.add(element);
  return hash.digest();
};
const runs = { numRuns: 60 };

describe('SetHash', () => {
  it('does not depend on the order', () => {
    const shuffled = elements.chain((set) =>
      fc.tuple(fc.constant(set), fc.shuffledSubarray(set, { minLength: set.length })),
    );
    fc.assert(
      fc.property(shuffled, ([set, other]) => {
        expect(hashOf(other)).toBe(hashOf(set));
      }),
      runs,
    );
  });

  it('differs for different sets', () => {
    fc.assert(
      fc.property(elements, elements, (a, b) => {
        const same = a.length === b.length && a.every((element) => b.includes(element));
        expect(hashOf(a) === hashOf(b)).toBe(same);
      }),
      runs,
    );
  });

  it('comes back when what was added is removed, also from its stored state', () => {
    fc.assert(
      fc.property(elements, fc.string(), (set, extra) => {
        fc.pre(!set.includes(extra));
        const hash = new SetHash();
        for (const element of set) hash.add(element);
        const before = hash.digest();
        hash.add(extra);
        expect(hash.digest()).not.toBe(before);
        const restored = new SetHash(hash.toString());
        expect(restored.digest()).toBe(hash.digest());
        restored.remove(extra);
        expect(restored.digest()).toBe(before);
      }),
      runs,
    );
  });

  it('refuses a state that is none', () => {
    expect(() => new SetHash('AAAA')).toThrow(RangeError);
  });
});
