import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isKeptNumber } from '../../../src/lib/json-numbers.ts';

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

describe('isKeptNumber', () => {
  it('keeps every double in the form that JavaScript writes', () => {
    fc.assert(fc.property(finite, (value) => isKeptNumber(JSON.stringify(value))));
    fc.assert(fc.property(finite, (value) => isKeptNumber(value.toExponential())));
  });

  it('keeps exactly the integers that come back with all their digits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 21n), max: 10n ** 21n }), (value) => {
        const text = value.toString();
        expect(isKeptNumber(text)).toBe(
          BigInt(JSON.stringify(Number(text)).replace('1e+21', `${10n ** 21n}`)) === value,
        );
      }),
    );
  });

  it('keeps what it keeps with another point and exponent', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 18n }),
        fc.integer({ min: 0, max: 30 }),
        (digits, shift) => {
          const text = digits.toString();
          expect(isKeptNumber(`${text}${'0'.repeat(shift)}e-${String(shift)}`)).toBe(isKeptNumber(text));
        },
      ),
    );
  });
});
