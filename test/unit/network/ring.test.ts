import { describe, expect, it } from 'vitest';
import { ringOf } from '../../../src/network/ring.ts';

describe('ringOf', () => {
  it.each([
    [0, 'ring1'],
    [10, 'ring1'],
    [10.1, 'ring2'],
    [80, 'ring2'],
    [80.1, 'global'],
    [null, 'global'],
  ])('puts a far address at %s ms into %s', (roundTripMs, ring) => {
    expect(ringOf(roundTripMs, false)).toBe(ring);
  });

  it.each([null, 0, 500])('puts a near address at %s ms into ring1', (roundTripMs) => {
    expect(ringOf(roundTripMs, true)).toBe('ring1');
  });
});
