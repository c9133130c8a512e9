import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody, ErrorCode } from '../../protocols/common/v1/errors.ts';
import { toMicro } from '../capsule/credits.ts';
import type { ExchangeComponents } from './components.ts';

type Components = Pick<ExchangeComponents, 'engine' | 'ledger' | 'signer' | 'clock'>;

/** Credits the capsule pays, in micro-credits; 0 without a payment rule. */
export function microAmount(capsule: Capsule): number {
  return capsule.paymentRule === null ? 0 : toMicro(capsule.paymentRule.amount);
}

/**
 * Why this node will not execute a verified capsule now, or undefined. The one check for orders, bids and
 * local runs (protocol "Privacy", "Credits"; issue table "privacy", "credits").
 */
export function refusalOf(
  { engine, ledger, signer, clock }: Components,
  capsule: Capsule,
): ErrorBody | undefined {
  const refuse = (code: ErrorCode, message: string): ErrorBody => ({ code, message });
  if (capsule.privacyRule === 'encrypted') {
    return refuse('encrypted_unsupported', 'Encrypted capsules are not supported by this version.');
  }
  if (capsule.privacyRule === 'restricted' && capsule.originIdentity !== signer.identity) {
    return refuse('restricted', "A restricted capsule runs only on its origin's own node.");
  }
  const expiresAt = capsule.executionPolicy?.expiresAt;
  if (expiresAt !== undefined && expiresAt <= clock.now())
    return refuse('expired', 'The capsule has expired.');
  const offer = engine.offer(capsule.requestedCapability);
  if (offer === undefined) {
    return refuse('capability_unavailable', `This node does not offer ${capsule.requestedCapability} now.`);
  }
  const own = capsule.originIdentity === signer.identity;
  const amount = microAmount(capsule);
  if (!own && toMicro(offer.price) > amount) {
    return refuse('payment_required', `${capsule.requestedCapability} costs ${offer.price} credits here.`);
  }
  const prepay = capsule.paymentRule?.requirePrepay === true;
  if (!own && amount > 0 && !ledger.canPay(capsule.originIdentity, amount, prepay)) {
    return refuse('insufficient_credit', "The origin's credit at this node does not cover the amount.");
  }
  if (!engine.hasRoom(capsule.requestedCapability, capsule.originIdentity))
    return refuse('busy', "This node's queue is full.");
  return undefined;
}
