import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import type { Crypto } from '../lib/crypto.ts';
import { canonicalJson, describeProblem, jsonProblem } from '../lib/json.ts';
import { assignmentHash } from './assignment.ts';
import { inputHashOf } from './intent.ts';
import { verifyReceipt } from './receipt.ts';
import { isInOrder } from './times.ts';

export interface ReportedResult {
  capsule: Capsule;
  /** The lease under which it ran, known to be granted: that is the caller's to judge. */
  lease: Assignment;
  receipt: Receipt;
  status: 'completed' | 'failed';
  /** Absent where only the receipt is told. */
  result?: unknown;
  /** Identity of who reports it. */
  from: string;
}

/**
 * One straight check of who says what, of which capsule, under which lease. Gives the reason to refuse it, or null. The
 * structure of all documents has been checked. Never throws.
 */
export function checkResult(crypto: Crypto, reported: ReportedResult): string | null {
  const { capsule, lease, receipt, status, from } = reported;
  if (receipt.identity !== from) return "The receipt is not the sender's.";
  if (receipt.capsuleId !== capsule.id || receipt.status !== status)
    return 'The receipt is for something else.';
  if (receipt.capabilityId !== capsule.requestedCapability) return 'The receipt is for another capability.';
  if (lease.capsuleId !== capsule.id || lease.executor !== from)
    return 'The lease is for another capsule or another executor.';
  if (receipt.epoch !== lease.epoch || receipt.lease !== assignmentHash(crypto, lease))
    return 'The receipt was made under another lease.';
  const problem =
    timesProblem(receipt, lease) ?? chargeProblem(receipt, lease) ?? contentProblem(crypto, reported);
  if (problem !== null) return problem;
  const checked = verifyReceipt(crypto, receipt, { schemaChecked: true });
  return checked.ok ? null : checked.error.message;
}

function timesProblem({ startedAt, finishedAt }: Receipt, lease: Assignment): string | null {
  if (startedAt > finishedAt) return 'The receipt ends before it begins.';
  if (!isInOrder(lease.grantedAt, startedAt)) return 'The receipt begins before its lease.';
  return isInOrder(finishedAt, lease.expiresAt) ? null : 'The receipt ends after its lease.';
}

/** Success under a price costs something up to it; failure and free work cost nothing. */
function chargeProblem({ status, charge }: Receipt, { price }: Assignment): string | null {
  if (status === 'failed' || price === 0)
    return charge === null ? null : 'The receipt charges for what is free.';
  if (charge === null) return 'The receipt does not say what it charges.';
  return charge <= price ? null : 'The receipt charges more than its lease allows.';
}

function contentProblem(crypto: Crypto, { capsule, receipt, status, result }: ReportedResult): string | null {
  if (receipt.inputHash !== inputHashOf(crypto, capsule)) return 'The receipt is for another input.';
  if (result === undefined) return null;
  if (status === 'failed') return 'What failed has no result.';
  const problem = jsonProblem(result, LIMITS.jsonDepth);
  if (problem !== null) return describeProblem('The result', problem);
  const bytes = new TextEncoder().encode(canonicalJson(result));
  if (bytes.length > LIMITS.resultBytes) return `The result has more than ${LIMITS.resultBytes} bytes.`;
  return crypto.sha256Hex(bytes) === receipt.resultHash ? null : 'The result is not the one in the receipt.';
}
