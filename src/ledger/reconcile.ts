import type { LedgerEntry } from './types.ts';

/** What two books must agree on about one reference. */
export type Booking = Pick<LedgerEntry, 'reference' | 'debit' | 'credit' | 'microAmount' | 'receiptHash'>;

export type Difference = { reference: string } & (
  | { kind: 'missing_here'; theirs: Booking }
  | { kind: 'missing_there'; mine: Booking }
  | { kind: 'amount_differs' | 'parties_differ'; mine: Booking; theirs: Booking }
);

/**
 * Compares what two books say about the same two parties, by reference: the books count and date on their own, so
 * sequence, time and hashes are not compared. Ordered by reference; empty where the books agree.
 */
export function reconcile(mine: readonly Booking[], theirs: readonly Booking[]): Difference[] {
  const here = new Map(mine.map((entry) => [entry.reference, entry]));
  const there = new Map(theirs.map((entry) => [entry.reference, entry]));
  dropTakenBack(here, there);
  dropTakenBack(there, here);
  const references = [...new Set([...here.keys(), ...there.keys()])].sort();
  return references.flatMap(
    (reference) => difference(reference, here.get(reference), there.get(reference)) ?? [],
  );
}

function difference(reference: string, mine?: Booking, theirs?: Booking): Difference | undefined {
  if (mine === undefined) return theirs && { reference, kind: 'missing_here', theirs };
  if (theirs === undefined) return { reference, kind: 'missing_there', mine };
  if (mine.debit !== theirs.debit || mine.credit !== theirs.credit) {
    return { reference, kind: 'parties_differ', mine, theirs };
  }
  if (mine.microAmount !== theirs.microAmount) return { reference, kind: 'amount_differs', mine, theirs };
  return undefined;
}

/** What one book took back, and the other never had, is no difference: an execution that was not accepted. */
function dropTakenBack(book: Map<string, Booking>, other: ReadonlyMap<string, Booking>): void {
  for (const reversal of [...book.values()]) {
    const [kind, id] = reversal.reference.split(':', 2);
    const payment = book.get(`capsule:${id}`);
    if (kind !== 'reversal' || payment === undefined || !cancels(reversal, payment)) continue;
    if (other.has(reversal.reference) || other.has(payment.reference)) continue;
    book.delete(reversal.reference);
    book.delete(payment.reference);
  }
}

function cancels(reversal: Booking, payment: Booking): boolean {
  const opposite = reversal.debit === payment.credit && reversal.credit === payment.debit;
  return opposite && reversal.microAmount === payment.microAmount;
}
