import { damaged } from '../store/failure.ts';
import { sequenceKey } from '../store/numbered-rows.ts';
import type { Database } from '../store/types.ts';
import { BALANCES, ENTRIES, type LedgerHead, NOTED, NOTED_KEY } from './books.ts';
import { EMPTY_BOOK, type EntryCrypto } from './entry.ts';
import type { LedgerEntry } from './types.ts';
import { entryProblems, isReadable } from './verify.ts';

/** Entries looked at: what was written last is what a damaged disk lost. The whole book is for `verify`. */
const NEWEST_ENTRIES = 32;

/**
 * Whether the end of the book is where it was noted, and its newest entries follow one another, with their references
 * and accounts. Throws `storage_failed` for the first thing that is wrong. Costs the same for any book.
 */
export async function checkEnd(db: Database, crypto: EntryCrypto, self: string | undefined): Promise<void> {
  const newest: [key: string, entry: LedgerEntry][] = [];
  const range = { reverse: true, limit: NEWEST_ENTRIES + 1 };
  for await (const pair of db.scan(ENTRIES, range)) newest.unshift(pair);
  const sequence = Number(newest.at(-1)?.[0] ?? 0);
  const noted = db.get(NOTED, NOTED_KEY);
  if (noted !== undefined) checkNoted(db, noted, sequence);

  // Where there are more, the first is only what the second must follow.
  let previous: LedgerHead | undefined = newest.length > NEWEST_ENTRIES ? undefined : EMPTY_BOOK;
  for (const [key, entry] of newest) {
    if (!isReadable(entry)) throw damaged(`entry ${Number(key)} of the ledger cannot be read`);
    if (previous !== undefined) {
      for (const problem of entryProblems(db, crypto, { key, entry, previous, self }))
        throw inLedger(problem);
    }
    for (const account of entry.microAmount === 0 ? [] : [entry.debit, entry.credit]) {
      if (db.get(BALANCES, account) === undefined) throw damaged(`the balance of ${account} is missing`);
    }
    previous = { sequence: entry.sequence, entryHash: entry.entryHash };
  }
}

function checkNoted(db: Database, noted: LedgerHead, sequence: number): void {
  if (noted.sequence > sequence) {
    throw damaged(`entries ${sequence + 1} to ${noted.sequence} of the ledger are missing`);
  }
  if (db.get(ENTRIES, sequenceKey(noted.sequence))?.entryHash !== noted.entryHash) {
    throw damaged(`entry ${noted.sequence} of the ledger is missing, or not the one that was noted`);
  }
}

function inLedger(problem: string) {
  return damaged(`in the ledger: ${problem.replace(/\.$/, '')}`);
}
