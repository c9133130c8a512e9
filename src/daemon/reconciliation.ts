import type { Reconciliation } from '../api/schemas/credits.ts';
import { type Booking, compareBooks, type OwnBook } from '../ledger/reconcile.ts';
import type { Ledger, LedgerEntry } from '../ledger/types.ts';

/** Entries read at a time from this node's book. */
const PAGE_ENTRIES = 256;
/** Differences in an answer: enough to see what kind they are. */
const NAMED_DIFFERENCES = 1_000;

/** Compares what this node and a peer have booked between the two of them. Rejects as the peer's pages do. */
export async function reconcileWith(options: {
  ledger: Pick<Ledger, 'entriesWith' | 'entry' | 'history'>;
  peer: string;
  peerIdentity: string;
  identity: string;
  /** Of the peer's book. */
  theirs: AsyncIterable<readonly Booking[]>;
  signal?: AbortSignal;
}): Promise<Reconciliation> {
  const { ledger, peer, peerIdentity, identity, theirs, signal } = options;
  const [newest] = (await ledger.history({ limit: 1 })).items;
  const own = sharedBook(ledger, { peerIdentity, identity, until: newest?.sequence ?? 0 });
  const { here, there, differences, more } = await compareBooks(own, theirs, signal);
  const named = differences.slice(0, NAMED_DIFFERENCES);
  return {
    nodeId: peer,
    agree: differences.length === 0,
    entriesHere: here,
    entriesThere: there,
    differences: named.map((difference) => ({
      reference: difference.reference,
      kind: difference.kind,
      here: 'mine' in difference ? shown(difference.mine) : null,
      there: 'theirs' in difference ? shown(difference.theirs) : null,
    })),
    moreDifferences: more + differences.length - named.length,
  };
}

/** What is booked while the peer answers is left out: its page may have passed before it booked the same. */
function sharedBook(
  ledger: Pick<Ledger, 'entriesWith' | 'entry'>,
  { peerIdentity, identity, until }: { peerIdentity: string; identity: string; until: number },
): OwnBook {
  const isShared = ({ debit, credit }: LedgerEntry): boolean =>
    (debit === identity && credit === peerIdentity) || (debit === peerIdentity && credit === identity);
  return {
    find: (reference) => {
      const entry = ledger.entry(reference);
      return entry !== undefined && isShared(entry) ? entry : undefined;
    },
    async *pages() {
      for (let from = 1; from <= until; ) {
        const page = await ledger.entriesWith(peerIdentity, from, PAGE_ENTRIES);
        const last = page.at(-1);
        if (last === undefined) return;
        yield page.filter((entry) => entry.sequence <= until && isShared(entry));
        from = last.sequence + 1;
      }
    },
  };
}

function shown({ debit, credit, microAmount, receiptHash }: Booking) {
  return { debit, credit, microAmount, receiptHash };
}
