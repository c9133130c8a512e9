import { throwIfAborted } from '../lib/abort.ts';
import { sequenceKey } from '../store/numbered-rows.ts';
import type { Database, Keyspace } from '../store/types.ts';
import {
  accountKeys,
  BALANCES,
  BY_ACCOUNT,
  DISPUTED,
  disputedId,
  ENTRIES,
  type LedgerHead,
  paymentReference,
  REFERENCES,
  reversedId,
} from './books.ts';
import { EMPTY_BOOK, type EntryCrypto, hashEntry } from './entry.ts';
import type { LedgerEntry, LedgerVerification } from './types.ts';

/** Enough to see what kind of damage it is. */
const PROBLEMS_NAMED = 100;

/**
 * Recomputes the whole book: every hash, link and sequence number; that each entry has its reference and its place
 * in the accounts' indexes and nothing else has; that balances are the sums of entries and add up to nothing; that what is
 * disputed was booked, and adds up. An entry cut from the end is missing in the balances. Bookings go on meanwhile: all
 * scans begin on one state. Keeps one number per account and the open disputes in memory.
 */
export async function verifyLedger(
  db: Database,
  crypto: EntryCrypto,
  self: string | undefined,
  signal?: AbortSignal,
): Promise<LedgerVerification> {
  const problems: string[] = [];
  const report = (problem: string) => {
    if (problems.length < PROBLEMS_NAMED) problems.push(problem);
  };
  const scans = new Scans(db, signal);
  try {
    return await compareScans(db, crypto, { self, scans, report, problems });
  } finally {
    await scans.close();
  }
}

async function compareScans(
  db: Database,
  crypto: EntryCrypto,
  {
    self,
    scans,
    report,
    problems,
  }: { self: string | undefined; scans: Scans; report: (problem: string) => void; problems: string[] },
): Promise<LedgerVerification> {
  const [entries, references, indexed, balances, disputed] = await Promise.all([
    scans.begin(ENTRIES),
    scans.begin(REFERENCES),
    scans.begin(BY_ACCOUNT),
    scans.begin(BALANCES),
    scans.begin(DISPUTED),
  ]);

  const sums = new Map<string, number>();
  const disputes = new Disputes(db);
  let previous: LedgerHead = EMPTY_BOOK;
  let count = 0;
  let places = 0;
  for await (const [key, entry] of entries) {
    count++;
    if (!isReadable(entry)) {
      report(`Entry ${Number(key)} cannot be read.`);
      continue;
    }
    places += accountKeys(entry, self).length;
    for (const problem of entryProblems(db, crypto, { key, entry, previous, self })) report(problem);
    const disputeProblem = disputes.add(entry);
    if (disputeProblem !== undefined) report(disputeProblem);
    if (entry.microAmount !== 0) {
      sums.set(entry.debit, (sums.get(entry.debit) ?? 0) - entry.microAmount);
      sums.set(entry.credit, (sums.get(entry.credit) ?? 0) + entry.microAmount);
    }
    previous = { sequence: entry.sequence, entryHash: entry.entryHash };
  }

  const referenced = await size(references);
  if (referenced !== count) report(`There are ${referenced} references for ${count} entries.`);
  const listed = await size(indexed);
  if (listed !== places) report(`The accounts list ${listed} entries, where ${places} are due.`);
  await compareBalances(sums, balances, report);
  await disputes.compare(disputed, report);
  return { ok: problems.length === 0, entries: count, problems };
}

/** What is wrong with an entry, by itself and as the one after `previous`. */
export function* entryProblems(
  db: Database,
  crypto: EntryCrypto,
  {
    key,
    entry,
    previous,
    self,
  }: { key: string; entry: LedgerEntry; previous: LedgerHead; self: string | undefined },
): Generator<string> {
  const name = `Entry ${entry.sequence}`;
  if (key !== sequenceKey(entry.sequence)) yield `${name} stands in the place of another (${Number(key)}).`;
  if (entry.sequence !== previous.sequence + 1) yield `${name} follows entry ${previous.sequence}.`;
  if (entry.previousHash !== previous.entryHash) yield `${name} does not link to the entry before it.`;
  if (!hashMatches(crypto, entry)) yield `${name} is not what its hash says.`;
  if (db.get(REFERENCES, entry.reference) !== entry.sequence) {
    yield `${name} is not the one booked for ${entry.reference}.`;
  }
  for (const place of accountKeys(entry, self)) {
    if (db.get(BY_ACCOUNT, place) !== entry.sequence)
      yield `${name} is missing from the account ${place.split(':')[0]}.`;
  }
}

/** A row that was changed by hand may have any shape. */
export function isReadable(entry: Partial<LedgerEntry> | null): entry is LedgerEntry {
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

/** What the disputes and reversals among the entries come to. */
class Disputes {
  readonly #db: Database;
  /** Amount by id of what is disputed and not reversed; and by account. */
  readonly #open = new Map<string, number>();
  readonly #sums = new Map<string, number>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** Gives what is wrong with it. */
  add({ sequence, reference, debit, credit, microAmount }: LedgerEntry): string | undefined {
    const disputed = disputedId(reference);
    const reversed = reversedId(reference);
    if ((disputed !== undefined) !== (microAmount === 0)) return `Entry ${sequence} moves ${microAmount}.`;
    if (disputed !== undefined) {
      const paid = this.#db.get(REFERENCES, paymentReference(disputed));
      const payment = paid === undefined ? undefined : this.#db.get(ENTRIES, sequenceKey(paid));
      if (payment?.debit !== debit || payment.credit !== credit || payment.sequence >= sequence) {
        return `Entry ${sequence} disputes what was not booked.`;
      }
      this.#open.set(disputed, payment.microAmount);
      this.#sums.set(debit, (this.#sums.get(debit) ?? 0) + payment.microAmount);
    }
    // The reversal credits whom the payment had debited.
    if (reversed !== undefined && this.#open.delete(reversed)) {
      this.#sums.set(credit, (this.#sums.get(credit) ?? 0) - microAmount);
    }
    return undefined;
  }

  async compare(disputed: AsyncIterable<[string, number]>, report: (problem: string) => void): Promise<void> {
    for await (const [account, amount] of disputed) {
      const sum = this.#sums.get(account) ?? 0;
      this.#sums.delete(account);
      if (amount !== sum) report(`${account} disputes ${amount}; its disputes add up to ${sum}.`);
    }
    for (const [account, sum] of this.#sums) {
      if (sum !== 0) report(`${account} disputes nothing; its disputes add up to ${sum}.`);
    }
  }
}

/** Scans of one state of the database, which end when the signal says so. */
class Scans {
  readonly #db: Database;
  readonly #signal: AbortSignal | undefined;
  readonly #open: AsyncIterator<unknown>[] = [];

  constructor(db: Database, signal: AbortSignal | undefined) {
    this.#db = db;
    this.#signal = signal;
  }

  /** Takes the first pair now, so that scans begun together see the same state; gives all of them. */
  async begin<T>(space: Keyspace<T>): Promise<AsyncIterable<[string, T]>> {
    const scan = this.#db.scan(space, {})[Symbol.asyncIterator]();
    this.#open.push(scan);
    return this.#pairs(scan, await scan.next());
  }

  /** Lets go of what was not read to its end. */
  async close(): Promise<void> {
    await Promise.all(this.#open.map((scan) => scan.return?.()));
  }

  async *#pairs<T>(
    scan: AsyncIterator<[string, T]>,
    first: IteratorResult<[string, T]>,
  ): AsyncGenerator<[string, T]> {
    for (let pair = first; !pair.done; pair = await scan.next()) {
      throwIfAborted(this.#signal);
      yield pair.value;
    }
  }
}

async function size(pairs: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of pairs) count++;
  return count;
}
