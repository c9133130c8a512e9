import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearestName } from '../../../src/market/nearest-name.ts';

/** The plain definition, for comparison. */
function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) =>
    Array.from({ length: b.length + 1 }, (_, j) => i + j),
  );
  const at = (i: number, j: number) => rows[i]?.[j] ?? Number.NaN;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      (rows[i] ?? [])[j] = Math.min(replaced, at(i - 1, j) + 1, at(i, j - 1) + 1);
    }
  }
  return at(a.length, b.length);
}

describe('the nearest name', () => {
  it('is one that differs least, within a third of the length and four characters', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 14 });
    fc.assert(
      fc.property(name, fc.array(name, { maxLength: 12 }), (wanted, names) => {
        const limit = Math.min(4, Math.floor(wanted.length / 3));
        const within = names.filter((each) => distance(wanted, each) <= limit);
        const least = Math.min(...within.map((each) => distance(wanted, each)));
        expect(nearestName(wanted, names)).toBe(
          within.find((each) => distance(wanted, each) === least) ?? null,
        );
      }),
      { numRuns: 500 },
    );
  });

  it('looks at a bounded number of names', () => {
    let looked = 0;
    function* endless() {
      for (;;) yield `text.c${looked++}`;
    }
    expect(nearestName('ai.summarize', endless())).toBeNull();
    expect(looked).toBeLessThan(10_000);
  });
});
