import { expect, it } from 'vitest';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { endOf } from '../../../src/exchange/machine/executor.ts';
import { alice, bob } from '../../support/keys.ts';

const GRANTED = 1_700_000_000_000;
const lease = {
  capsuleId: 'a'.repeat(64),
  executor: bob.identity,
  epoch: 1,
  price: 0,
  grantedAt: GRANTED,
  expiresAt: GRANTED + 10_000,
  coordinator: alice.identity,
};

it.each([-60_000, 0, 60_000])(
  'lets a run go on for as long as its lease holds, by a clock that is %i ms off',
  (skewMs) => {
    expect(endOf(lease, GRANTED + skewMs)).toBe(GRANTED + skewMs + 10_000);
  },
);

it('forgives no more than whoever checks the receipt', () => {
  expect(endOf(lease, GRANTED + 3_600_000)).toBe(lease.expiresAt + LIMITS.clockSkewMs);
});
