import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { isWholeMicro } from './credits.ts';
import { refuse } from './outcome.ts';
import { chargesByPrice, expiryOf } from './roles.ts';
import { isInOrder } from './times.ts';

/** What a lease says against its capsule, whoever reads it and whenever: for which, how long, at which price. */
export function leaseProblem(lease: Assignment, capsule: Capsule): string | null {
  const { grantedAt, expiresAt } = lease;
  if (lease.capsuleId !== capsule.id) return 'The lease is for another capsule.';
  if (grantedAt > expiresAt) return 'The lease ends before it begins.';
  if (!isInOrder(capsule.timestamp, grantedAt)) return 'The lease was granted before the capsule was made.';
  if (!isInOrder(expiresAt, expiryOf(capsule))) return 'The lease ends after the capsule expires.';
  return priceProblem(lease.price, capsule);
}

function priceProblem(price: number, capsule: Capsule): string | null {
  const amount = capsule.paymentRule?.amount ?? 0;
  if (!isWholeMicro(price)) return 'The price of the lease has more than 6 decimals.';
  if (price > amount) return `The price of the lease is above the ${amount} credits of the capsule.`;
  if (price < amount && !chargesByPrice(capsule))
    return `The price of the lease is not the ${amount} credits of the capsule.`;
  return null;
}

/**
 * Whether `coordinator` gives `executor` this capsule now: names, times and price. Null, or what to decline it with: `clock_skew`
 * where the two clocks differ too much for the lease to hold, else `lease_invalid`. Who may coordinate, and the
 * signature (`verifyAssignment`), are the caller's to judge.
 */
export function checkLease(
  lease: Assignment,
  {
    capsule,
    executor,
    coordinator,
    now,
  }: { capsule: Capsule; executor: string; coordinator: string; now: number },
): ErrorBody | null {
  if (lease.executor !== executor) return invalid('The lease is for another node.');
  if (lease.coordinator !== coordinator) return invalid('The lease is not by the node that sent it.');
  const problem = leaseProblem(lease, capsule);
  if (problem !== null) return invalid(problem);
  const aheadMs = lease.grantedAt - now;
  if (aheadMs > LIMITS.clockSkewMs)
    return refuse('clock_skew', `The lease was granted ${aheadMs} ms ahead of this clock.`, { aheadMs })
      .error;
  const behindMs = now - lease.expiresAt;
  if (behindMs > LIMITS.clockSkewMs)
    return refuse('clock_skew', `The lease ended ${behindMs} ms ago by this clock.`, { behindMs }).error;
  return null;
}

const invalid = (message: string): ErrorBody => refuse('lease_invalid', message).error;
