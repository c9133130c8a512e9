import { expect, it } from 'vitest';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { workDue } from '../../../src/exchange/machine/executor.ts';
import { alice, bob } from '../../support/keys.ts';

const NOW = 1_700_000_000_000;

/** When a run of bob's ends by bob's clock, of a lease that ends at `NOW`. */
function endOfRun(coordinator: string): number {
  const lease = {
    capsuleId: 'a'.repeat(64),
    executor: bob.identity,
    epoch: 1,
    price: 0,
    grantedAt: NOW - 10_000,
    expiresAt: NOW,
    coordinator,
  };
  const running = { kind: 'running', lease, mayRepeat: true, crashes: 0, stop: null, lapsed: false } as const;
  return workDue(running, NOW + 1_000);
}

it('lets a run go on by a clock that is ahead of that of the lease', () => {
  expect(endOfRun(alice.identity)).toBe(NOW + LIMITS.clockSkewMs);
});

it('ends a run of the node for itself by its one clock', () => {
  expect(endOfRun(bob.identity)).toBe(NOW);
});
