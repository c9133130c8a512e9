import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import { verifyAssignment } from '../capsule/assignment.ts';
import { identityOf, nodeIdOf } from '../capsule/identity.ts';
import { verifyReceipt } from '../capsule/receipt.ts';
import type { Crypto } from '../lib/crypto.ts';
import { canonicalJson } from '../lib/json.ts';
import type { CapsuleRecord } from '../store/types.ts';

export type Result = ExchangeMessageOf<'capsule_result'>;

export interface Expected {
  record: CapsuleRecord;
  /** Newest assignment that this node granted or holds for the capsule. */
  granted: Assignment | null;
  /** This node. */
  identity: string;
}

/**
 * One straight check of who says what, for which capsule, under which lease. Gives the reason to refuse, or undefined.
 * A completed result is its executor's to tell; that all is over without one is the coordinator's.
 */
export function resultProblem(
  crypto: Crypto,
  from: string,
  message: Result,
  { record, granted, identity }: Expected,
): string | undefined {
  const { receipt, assignment, status } = message;
  const coordinator = identityOf(record.coordinator);
  const giveUp = status === 'failed' && from === record.coordinator;
  if (status === 'failed' && !giveUp && coordinator !== identity) {
    return 'Only its coordinator may end the capsule without a result.';
  }
  if (receipt === null || assignment === null) return giveUp ? undefined : 'The result has no receipt.';
  if (nodeIdOf(receipt.identity) !== from && !giveUp) return "The receipt is not the sender's.";
  if (receipt.capsuleId !== record.id || receipt.status !== status)
    return 'The receipt is for something else.';
  if (receipt.capabilityId !== record.requestedCapability) return 'The receipt is for another capability.';
  if (assignment.capsuleId !== record.id || assignment.executor !== receipt.identity) {
    return 'The assignment is for another capsule or another executor.';
  }
  if (receipt.epoch !== assignment.epoch) return 'The receipt was made under another lease.';
  if (assignment.coordinator !== coordinator) return "The lease is not the coordinator's.";
  if (coordinator === identity && assignment.epoch > record.epoch) return 'That lease was never granted.';
  // What this node signed itself and still has needs no second look.
  if (!isSame(assignment, granted) && !verifyAssignment(crypto, assignment, { schemaChecked: true }).ok) {
    return "The assignment's signature does not verify.";
  }
  const checked = verifyReceipt(crypto, receipt, { schemaChecked: true });
  if (!checked.ok) return checked.error.message;
  if (status === 'failed') return undefined;
  if (message.result === undefined) return 'The result is missing.';
  return receipt.resultHash === crypto.sha256Hex(canonicalJson(message.result))
    ? undefined
    : 'The result is not the one in the receipt.';
}

/** Both have passed the same closed schema, so one's fields are the other's. */
function isSame(assignment: Assignment, granted: Assignment | null): boolean {
  if (granted === null) return false;
  return Object.entries(granted).every(([field, value]) => Reflect.get(assignment, field) === value);
}
