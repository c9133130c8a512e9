import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromMicro, isWholeMicro, toMicro } from '../../../src/capsule/credits.ts';

describe('credits', () => {
  it.each([
    [0, 0],
    [1, 1_000_000],
    [0.000001, 1],
    [0.1, 100_000],
    [1.1, 1_100_000],
    [4.35, 4_350_000],
    [8.2, 8_200_000],
    [1_000_000_000, 1e15],
    [999_999_999.999999, 999_999_999_999_999],
  ])('%d credits are %d micro-credits', (amount, micro) => {
    expect(toMicro(amount)).toBe(micro);
    expect(fromMicro(micro)).toBe(amount);
  });

  it.each([
    -1,
    -0.000001,
    0.0000001,
    1.0000001,
    1_000_000_000.000001,
    1e21,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ])('refuses %d credits', (amount) => {
    expect(() => toMicro(amount)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });

  it.each([0.5, 2 ** 53, Number.NaN])('refuses %d micro-credits', (micro) => {
    expect(() => fromMicro(micro)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });

  it('shows a debt as what it is', () => {
    expect(fromMicro(-1_500_000)).toBe(-1.5);
  });

  it('is exact for every amount of at most six decimals', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e15 }), (micro) => {
        const text = `${Math.floor(micro / 1e6)}.${String(micro % 1e6).padStart(6, '0')}`;
        expect(isWholeMicro(Number(text))).toBe(true);
        expect(toMicro(Number(text))).toBe(micro);
        expect(toMicro(fromMicro(micro))).toBe(micro);
      }),
      { numRuns: 2000 },
    );
  });
});
