import { keyspace } from './keyspaces.ts';
import type { CapsuleStatus, Reader, Transaction } from './types.ts';

export type CapsuleCounts = Record<CapsuleStatus, number>;

const counts = keyspace<CapsuleCounts>('capsuleCounts');
const KEY = 'by-status';

export function readCounts(reader: Reader): CapsuleCounts {
  return reader.get(counts, KEY) ?? { pending: 0, announced: 0, executing: 0, completed: 0, failed: 0 };
}

/** Moves one capsule from a status to another; null is outside of the store. */
export function count(tx: Transaction, from: CapsuleStatus | null, to: CapsuleStatus | null): void {
  const next = readCounts(tx);
  if (from !== null) next[from]--;
  if (to !== null) next[to]++;
  tx.put(counts, KEY, next);
}
