import type { LedgerEntry } from './types.ts';

export type Difference = { reference: string } & (
  | { kind: 'missing_here'; theirs: LedgerEntry }
  | { kind: 'missing_there'; mine: LedgerEntry }
  | { kind: 'amount_differs' | 'parties_differ'; mine: LedgerEntry; theirs: LedgerEntry }
);

/**
 * Compares what two books say about the same two parties, by reference: the books count and date on their own, so
 * sequence, time and hashes are not compared. Ordered by reference; empty where the books agree.
 */
export function reconcile(mine: readonly LedgerEntry[], theirs: readonly LedgerEntry[]): Difference[] {
  const here = new Map(mine.map((entry) => [entry.reference, entry]));
  const there = new Map(theirs.map((entry) => [entry.reference, entry]));
  const references = [...new Set([...here.keys(), ...there.keys()])].sort();
  return references.flatMap(
    (reference) => difference(reference, here.get(reference), there.get(reference)) ?? [],
  );
}

function difference(reference: string, mine?: LedgerEntry, theirs?: LedgerEntry): Difference | undefined {
  if (mine === undefined) return theirs && { reference, kind: 'missing_here', theirs };
  if (theirs === undefined) return { reference, kind: 'missing_there', mine };
  if (mine.debit !== theirs.debit || mine.credit !== theirs.credit) {
    return { reference, kind: 'parties_differ', mine, theirs };
  }
  if (mine.microAmount !== theirs.microAmount) return { reference, kind: 'amount_differs', mine, theirs };
  return undefined;
}
