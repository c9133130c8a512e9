import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalText } from '../../../src/lib/canonical.ts';

/** Names that objects reorder, that need escapes, and ordinary ones. */
const name = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('0', '10', '9', '00', '-1', '4294967295', '\u20ac', '\u{1f600}', '\ufb33', 'a', 'A'),
  fc.nat().map(String),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.string({ unit: 'binary' }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(name, tie('value'), { maxKeys: 6 }),
  ),
}));

describe('canonicalText', () => {
  it('is what the RFC 8785 library writes', () => {
    fc.assert(
      fc.property(value, (any) => {
        const json = JSON.parse(JSON.stringify(any));
        expect(canonicalText(json)).toBe(canonicalize(json));
      }),
      { numRuns: 500 },
    );
  });
});
