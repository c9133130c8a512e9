import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { MeshError } from '../lib/errors.ts';

/** Whether an amount in credits has at most six decimals. Exact up to the largest amount: 10^15 < 2^53. */
export function isWholeMicro(amount: number): boolean {
  return Math.round(amount * LIMITS.microPerCredit) / LIMITS.microPerCredit === amount;
}

/** Integer micro-credits of an amount in credits. Throws `invalid_request` outside 0..1e9 or beyond six decimals. */
export function toMicro(amount: number): number {
  if (!(amount >= 0 && amount <= LIMITS.maxAmountCredits) || !isWholeMicro(amount))
    throw new MeshError(
      'invalid_request',
      `An amount is a number from 0 to ${LIMITS.maxAmountCredits} with at most 6 decimals.`,
    );
  return Math.round(amount * LIMITS.microPerCredit);
}

/** Credits of integer micro-credits, which may be a negative balance. Throws `invalid_request` for other numbers. */
export function fromMicro(micro: number): number {
  if (!Number.isSafeInteger(micro))
    throw new MeshError('invalid_request', 'Micro-credits are counted in whole numbers below 2^53.');
  return micro / LIMITS.microPerCredit;
}
