import type { Booking, OwnBook } from '../../src/ledger/reconcile.ts';
import type { LedgerEntry } from '../../src/ledger/types.ts';

/** Entries in a page: small, so that most comparisons have several. */
const PAGE = 2;

/** A book of entries that are all between the two. */
export function ownBook(entries: readonly LedgerEntry[]): OwnBook {
  const byReference = new Map(entries.map((entry) => [entry.reference, entry]));
  return { find: (reference) => byReference.get(reference), pages: () => pagesOf(entries) };
}

export async function* pagesOf<T extends Booking>(entries: readonly T[]): AsyncGenerator<T[]> {
  for (let at = 0; at < entries.length; at += PAGE) yield entries.slice(at, at + PAGE);
}
