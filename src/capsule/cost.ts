import type { PaymentRule } from '../../protocols/capsule/v1/schema.ts';
import { fromMicro, toMicro } from './credits.ts';
import type { Paid } from './roles.ts';

export interface Cost {
  /** Most credits that all of it takes together. */
  credits: number;
  /** The amount of each capsule that pays, in the order of the chain. */
  amounts: number[];
}

/**
 * What a capsule and the steps below it can cost: each is paid once at most, whatever is tried how often, and at most its
 * rule's amount. Throws `invalid_request` for amounts that the ledger cannot count.
 */
export function costAtMost(capsule: Paid): Cost {
  const amounts = amountsOf(capsule, null);
  const micro = amounts.reduce((sum, amount) => sum + toMicro(amount), 0);
  return { credits: fromMicro(micro), amounts };
}

/** A step without a rule has its parent's; `null` is one that pays nothing. */
function amountsOf({ paymentRule, next }: Paid, inherited: PaymentRule | null): number[] {
  const rule = paymentRule === undefined ? inherited : paymentRule;
  const below = (next ?? []).flatMap((step) => amountsOf(step, rule));
  return rule === null ? below : [rule.amount, ...below];
}
