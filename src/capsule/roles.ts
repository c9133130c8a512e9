import type { Capsule, NextStep } from '../../protocols/capsule/v1/schema.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';

type Rules = Pick<
  Capsule,
  'timestamp' | 'originIdentity' | 'paymentRule' | 'privacyRule' | 'executionPolicy' | 'next'
>;

/** When it ends, ms since the epoch: its own `expiresAt`, else 7 days after its timestamp. */
export function expiryOf(capsule: Pick<Rules, 'timestamp' | 'executionPolicy'>): number {
  return capsule.executionPolicy?.expiresAt ?? capsule.timestamp + LIMITS.defaultLifetimeMs;
}

/** Identity of the node that coordinates the root, gets every result and settles: the origin where none is named. */
export function submitterOf(capsule: Pick<Rules, 'originIdentity' | 'executionPolicy'>): string {
  return capsule.executionPolicy?.submitter ?? capsule.originIdentity;
}

/** Who derives, signs and coordinates the next steps: the executor only where that is asked for, open and free. */
export function continuesAt(
  capsule: Pick<Rules, 'paymentRule' | 'privacyRule' | 'executionPolicy' | 'next'>,
) {
  const asked = capsule.executionPolicy?.continueAt === 'executor';
  return asked && capsule.privacyRule === 'public' && !isAnythingPaid(capsule) ? 'executor' : 'submitter';
}

/** What pays: a capsule, a draft of one, or a step. */
export type Paid = Pick<NextStep, 'paymentRule' | 'next'>;

/** Whether the capsule or any step below is paid; a step that inherits a rule has it from one of these. */
export function isAnythingPaid({ paymentRule, next }: Paid): boolean {
  return (paymentRule ?? null) !== null || (next ?? []).some(isAnythingPaid);
}

/** Whether the executor earns what it had offered, the amount being a ceiling. */
export function chargesByPrice(capsule: Pick<Rules, 'paymentRule'>): boolean {
  return capsule.paymentRule?.charge === 'price';
}

/** Whether its lease will be shown to nodes that were not there when it was granted, so that it needs a signature. */
export function needsSignedLease(capsule: Capsule): boolean {
  return (
    capsule.paymentRule !== null ||
    capsule.signer !== undefined ||
    submitterOf(capsule) !== capsule.originIdentity ||
    (continuesAt(capsule) === 'executor' && (capsule.next ?? []).length > 0)
  );
}

/** Names one step of one parent of one workflow, of which a node takes one child. */
export function placeInChain(root: string, { parentCapsule, lineage }: Capsule): string {
  return `${root}:${parentCapsule ?? ''}:${lineage?.step ?? ''}`;
}
