import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import { paymentId, paymentReference } from '../ledger/books.ts';
import type { Ledger } from '../ledger/types.ts';
import { damaged } from '../store/failure.ts';

/** Looked at on each side: what was written last is what a damaged disk lost. A start costs the same with any store. */
const NEWEST = 32;

type Earned = Pick<Receipt, 'capsuleId' | 'charge'>;

/**
 * Receipts and bookings are written in one batch, so of what is newest neither may be without the other. Throws
 * `storage_failed` where one is. What receipts and ledger are by themselves, their own starts have seen to.
 */
export async function checkConsistency(parts: {
  receipts: {
    list(options: { limit: number }): Promise<{ items: readonly { sequence: number; receipt: Earned }[] }>;
    get(receiptHash: string): Promise<unknown>;
  };
  ledger: Pick<Ledger, 'booked' | 'history'>;
  capsules: { get(id: string): Pick<Capsule, 'originIdentity'> | undefined };
  /** This node's own. */
  identity: string;
}): Promise<void> {
  const { receipts, ledger, capsules, identity } = parts;
  for (const { sequence, receipt } of (await receipts.list({ limit: NEWEST })).items) {
    const { capsuleId, charge } = receipt;
    if (capsuleId === null || charge === null || ledger.booked(paymentReference(capsuleId))) continue;
    // The origin is known while the capsule is kept; work for this node itself is not paid.
    const origin = capsules.get(capsuleId)?.originIdentity;
    if (origin === undefined || origin === identity) continue;
    throw damaged(`receipt ${sequence} earned ${charge} credits that the ledger does not have`);
  }
  // The newest that was earned, and no other: its look-up may go through the whole index of receipts.
  const { items } = await ledger.history({ limit: NEWEST });
  const earned = items.find(
    ({ reference, credit }) => credit === identity && paymentId(reference) !== undefined,
  );
  if (earned === undefined || earned.receiptHash === null) return;
  if ((await receipts.get(earned.receiptHash)) !== undefined) return;
  throw damaged(
    `entry ${earned.sequence} of the ledger is for receipt ${earned.receiptHash}, which is missing`,
  );
}
