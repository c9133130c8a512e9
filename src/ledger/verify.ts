import type { Database, Keyspace } from '../store/types.ts';
import {
  accountKeys,
  BALANCES,
  BY_ACCOUNT,
  ENTRIES,
  HEAD,
  type LedgerHead,
  REFERENCES,
  sequenceKey,
} from './books.ts';
import { EMPTY_BOOK, type EntryCrypto, hashEntry } from './entry.ts';
import type { LedgerEntry, LedgerVerification } from './types.ts';

/** Enough to see what kind of damage it is. */
const PROBLEMS_NAMED = 100;

/**
 * Recomputes the whole book: every hash, link and sequence number; that each entry has its reference and its place
 * in the accounts' indexes and nothing else has; that balances are the sums of entries and add up to nothing.
 * Bookings go on meanwhile: all scans begin on one state. Keeps one number per account in memory.
 */
export async function verifyLedger(db: Database, crypto: EntryCrypto): Promise<LedgerVerification> {
  const problems: string[] = [];
  const report = (problem: string) => {
    if (problems.length < PROBLEMS_NAMED) problems.push(problem);
  };
  const [entries, heads, references, indexed, balances] = await Promise.all([
    begin(db, ENTRIES),
    begin(db, HEAD),
    begin(db, REFERENCES),
    begin(db, BY_ACCOUNT),
    begin(db, BALANCES),
  ]);

  const sums = new Map<string, number>();
  let previous: LedgerHead = EMPTY_BOOK;
  let count = 0;
  let places = 0;
  for await (const [key, entry] of entries) {
    count++;
    if (!isReadable(entry)) {
      report(`Entry ${Number(key)} cannot be read.`);
      continue;
    }
    places += accountKeys(entry).length;
    for (const problem of entryProblems(db, crypto, { key, entry, previous })) report(problem);
    sums.set(entry.debit, (sums.get(entry.debit) ?? 0) - entry.microAmount);
    sums.set(entry.credit, (sums.get(entry.credit) ?? 0) + entry.microAmount);
    previous = { sequence: entry.sequence, entryHash: entry.entryHash };
  }

  let head = EMPTY_BOOK;
  for await (const [, found] of heads) head = found;
  if (head.sequence !== previous.sequence || head.entryHash !== previous.entryHash) {
    report(`The book ends with entry ${previous.sequence}, but its head is entry ${head.sequence}.`);
  }
  const referenced = await size(references);
  if (referenced !== count) report(`There are ${referenced} references for ${count} entries.`);
  const listed = await size(indexed);
  if (listed !== places) report(`The accounts list ${listed} entries, where ${places} are due.`);
  await compareBalances(sums, balances, report);
  return { ok: problems.length === 0, entries: count, problems };
}

function* entryProblems(
  db: Database,
  crypto: EntryCrypto,
  { key, entry, previous }: { key: string; entry: LedgerEntry; previous: LedgerHead },
): Generator<string> {
  const name = `Entry ${entry.sequence}`;
  if (key !== sequenceKey(entry.sequence)) yield `${name} stands in the place of another (${Number(key)}).`;
  if (entry.sequence !== previous.sequence + 1) yield `${name} follows entry ${previous.sequence}.`;
  if (entry.previousHash !== previous.entryHash) yield `${name} does not link to the entry before it.`;
  if (!hashMatches(crypto, entry)) yield `${name} is not what its hash says.`;
  if (db.get(REFERENCES, entry.reference) !== entry.sequence) {
    yield `${name} is not the one booked for ${entry.reference}.`;
  }
  for (const place of accountKeys(entry)) {
    if (db.get(BY_ACCOUNT, place) !== entry.sequence)
      yield `${name} is missing from the account ${place.split(':')[0]}.`;
  }
}

/** What somebody wrote into the book by hand may have any shape. */
function isReadable(entry: Partial<LedgerEntry> | null): entry is LedgerEntry {
  return (
    typeof entry?.sequence === 'number' &&
    typeof entry.microAmount === 'number' &&
    typeof entry.reference === 'string' &&
    typeof entry.debit === 'string' &&
    typeof entry.credit === 'string'
  );
}

function hashMatches(crypto: EntryCrypto, entry: LedgerEntry): boolean {
  try {
    return hashEntry(crypto, entry) === entry.entryHash;
  } catch {
    return false;
  }
}

async function compareBalances(
  sums: ReadonlyMap<string, number>,
  balances: AsyncIterable<[string, number]>,
  report: (problem: string) => void,
): Promise<void> {
  let total = 0;
  let accounts = 0;
  for await (const [account, balance] of balances) {
    const sum = sums.get(account);
    if (sum !== undefined) accounts++;
    if (balance !== (sum ?? 0))
      report(`The balance of ${account} is ${balance}; its entries add up to ${sum ?? 0}.`);
    total += balance;
  }
  if (accounts !== sums.size) report(`${sums.size - accounts} accounts with entries have no balance.`);
  if (total !== 0) report(`All balances together are ${total}, not 0.`);
}

/** Takes the first pair now, so that scans begun together see the same state; gives all of them. */
async function begin<T>(db: Database, space: Keyspace<T>): Promise<AsyncIterable<[string, T]>> {
  const scan = db.scan(space, {})[Symbol.asyncIterator]();
  const first = await scan.next();
  return (async function* () {
    if (first.done) return;
    yield first.value;
    yield* { [Symbol.asyncIterator]: () => scan };
  })();
}

async function size(pairs: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of pairs) count++;
  return count;
}
