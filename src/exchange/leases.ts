import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import { keyspace } from '../store/keyspaces.ts';
import type { Reader, Transaction } from '../store/types.ts';

/** What must survive a crash about a capsule in progress, at its coordinator and at its executor. */
export interface Lease {
  /** Newest assignment granted (coordinator) or held (executor); null before the first. */
  assignment: Assignment | null;
  /** Node ids that executed it and failed, or were lost while they held it. Never asked again. */
  failedAt: string[];
  /** Only this node may execute (`--on`). */
  only: string | null;
  lastError: ErrorBody | null;
  /** Receipt and assignment of the newest failed execution. */
  lastReceipt: Receipt | null;
  lastAssignment: Assignment | null;
  /** Times that this node died while executing it. */
  interruptions: number;
}

const leases = keyspace<Lease>('leases');

const NEW_LEASE: Lease = {
  assignment: null,
  failedAt: [],
  only: null,
  lastError: null,
  lastReceipt: null,
  lastAssignment: null,
  interruptions: 0,
};

export function readLease(reader: Reader, capsuleId: string): Lease {
  return reader.get(leases, capsuleId) ?? NEW_LEASE;
}

export function patchLease(tx: Transaction, capsuleId: string, patch: Partial<Lease>): Lease {
  const lease = { ...readLease(tx, capsuleId), ...patch };
  tx.put(leases, capsuleId, lease);
  return lease;
}

export function deleteLease(tx: Transaction, capsuleId: string): void {
  tx.delete(leases, capsuleId);
}

/** One execution that failed, or was given up as lost, as far as it can be proven. */
export interface Failure {
  capsuleId: string;
  nodeId: string;
  error: ErrorBody;
  /** Null where nothing but the silence is known. */
  proof: { receipt: Receipt; assignment: Assignment } | null;
}

/** The node is not asked again; the proof is kept, so that giving up later can show it. */
export function noteFailure(tx: Transaction, { capsuleId, nodeId, error, proof }: Failure): void {
  const { failedAt } = readLease(tx, capsuleId);
  patchLease(tx, capsuleId, {
    failedAt: failedAt.includes(nodeId) ? failedAt : [...failedAt, nodeId],
    lastError: error,
    ...(proof !== null && { lastReceipt: proof.receipt, lastAssignment: proof.assignment }),
  });
}
