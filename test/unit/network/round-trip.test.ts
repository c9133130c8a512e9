import { expect, it } from 'vitest';
import { RoundTrip } from '../../../src/network/round-trip.ts';

const after = (...samples: [ms: number, busyMs: number][]): RoundTrip => {
  const roundTrip = new RoundTrip();
  for (const [ms, busyMs] of samples) roundTrip.add(ms, busyMs);
  return roundTrip;
};

it('is the least of several, and not known from one or two', () => {
  expect(after()).toMatchObject({ leastMs: null, isKnown: false });
  expect(after([94, 0])).toMatchObject({ leastMs: 94, isKnown: false });
  expect(after([94, 0], [0.2, 0])).toMatchObject({ leastMs: 0.2, isKnown: false });
  expect(after([94, 0], [0.2, 0], [12, 0])).toMatchObject({ leastMs: 0.2, isKnown: true });
});

it('forgets what was measured long ago', () => {
  const roundTrip = after([1, 0]);
  for (let count = 0; count < 8; count++) roundTrip.add(50, 0);
  expect(roundTrip.leastMs).toBe(50);
});

it('leaves out what was measured while the loop was busy, but not for ever', () => {
  expect(after([94, 90]).leastMs).toBeNull();
  expect(after([94, 40]).leastMs).toBe(94);
  expect(after([1, 1]).leastMs).toBe(1);
  expect(after(...Array.from({ length: 5 }, (): [number, number] => [94, 90])).leastMs).toBe(94);
});
