import type { Reconciliation } from '../api/schemas/credits.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { type Booking, reconcile } from '../ledger/reconcile.ts';
import type { Ledger, LedgerEntry } from '../ledger/types.ts';

/** Entries read at a time from this node's book. */
const PAGE_ENTRIES = 1_000;

/** Compares what this node and `peer` have booked between the two of them. Rejects with `unreachable` or `timeout`. */
export async function compareBooks(options: {
  ledger: Ledger;
  exchange: Exchange;
  peer: string;
  peerIdentity: string;
  identity: string;
}): Promise<Reconciliation> {
  const { ledger, exchange, peer, peerIdentity, identity } = options;
  const [mine, theirs] = await Promise.all([
    sharedEntries(ledger, peerIdentity, identity),
    exchange.ledgerEntriesOf(peer),
  ]);
  const differences = reconcile(mine, theirs).map((difference) => ({
    reference: difference.reference,
    kind: difference.kind,
    here: 'mine' in difference ? shown(difference.mine) : null,
    there: 'theirs' in difference ? shown(difference.theirs) : null,
  }));
  return {
    nodeId: peer,
    agree: differences.length === 0,
    entriesHere: mine.length,
    entriesThere: theirs.length,
    differences,
  };
}

async function sharedEntries(ledger: Ledger, account: string, identity: string): Promise<LedgerEntry[]> {
  const entries: LedgerEntry[] = [];
  for (let from = 0; ; ) {
    const page = await ledger.entriesWith(account, from, PAGE_ENTRIES);
    entries.push(...page.filter(({ debit, credit }) => debit === identity || credit === identity));
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ENTRIES) return entries;
    from = last.sequence + 1;
  }
}

function shown({ debit, credit, microAmount, receiptHash }: Booking) {
  return { debit, credit, microAmount, receiptHash };
}
