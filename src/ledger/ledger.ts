import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import type { Database, Page, Reader, Transaction } from '../store/types.ts';
import {
  accountKey,
  accountKeys,
  BALANCES,
  BY_ACCOUNT,
  ENTRIES,
  HEAD,
  HEAD_KEY,
  OPERATOR,
  REFERENCES,
  sequenceKey,
} from './books.ts';
import { addExactly, assertEntry, EMPTY_BOOK, type EntryCrypto, linkEntry } from './entry.ts';
import { Reservations } from './reservations.ts';
import type { Ledger, LedgerEntry, LedgerVerification, NewEntry } from './types.ts';
import { verifyLedger } from './verify.ts';

const DEFAULT_CREDIT_LIMIT_CREDITS = 1_000;
const DEFAULT_PAGE = 50;
const LARGEST_PAGE = 500;

export interface LedgerComponents {
  db: Database;
  crypto: EntryCrypto;
  clock: Pick<Clock, 'now'>;
}

export interface LedgerInit {
  /** Credits that an identity may owe here; default 1,000. */
  creditLimit?: number;
}

/** The book of one node (protocol "Credits"), in the node's database. */
export class DatabaseLedger implements Ledger {
  readonly #db: Database;
  readonly #crypto: EntryCrypto;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #microCreditLimit: number;
  readonly #reservations = new Reservations();

  constructor({ db, crypto, clock }: LedgerComponents, init: LedgerInit = {}) {
    this.#db = db;
    this.#crypto = crypto;
    this.#clock = clock;
    this.#microCreditLimit = (init.creditLimit ?? DEFAULT_CREDIT_LIMIT_CREDITS) * LIMITS.microPerCredit;
  }

  balance(account: string, reader: Reader = this.#db): number {
    return reader.get(BALANCES, account) ?? 0;
  }

  canPay(origin: string, microAmount: number, prepay: boolean): boolean {
    const after = this.balance(origin) - this.#reservations.of(origin) - microAmount;
    return after >= (prepay ? 0 : -this.#microCreditLimit);
  }

  reserve(capsuleId: string, origin: string, microAmount: number): void {
    this.#reservations.reserve(capsuleId, origin, microAmount);
  }

  release(capsuleId: string): void {
    this.#reservations.release(capsuleId);
  }

  book(tx: Transaction, entry: NewEntry): boolean {
    assertEntry(entry);
    if (this.booked(entry.reference, tx)) return false;
    const head = tx.get(HEAD, HEAD_KEY) ?? EMPTY_BOOK;
    const booked = linkEntry(this.#crypto, head, entry, this.#clock.now());
    this.#move(tx, booked.debit, -booked.microAmount);
    this.#move(tx, booked.credit, booked.microAmount);
    tx.put(ENTRIES, sequenceKey(booked.sequence), booked);
    tx.put(REFERENCES, booked.reference, booked.sequence);
    for (const key of accountKeys(booked)) tx.put(BY_ACCOUNT, key, booked.sequence);
    tx.put(HEAD, HEAD_KEY, { sequence: booked.sequence, entryHash: booked.entryHash });
    return true;
  }

  booked(reference: string, reader: Reader = this.#db): boolean {
    return reader.get(REFERENCES, reference) !== undefined;
  }

  async grant(account: string, microAmount: number, id: string): Promise<boolean> {
    const tx = this.#db.transaction();
    const reference = `grant:${id}`;
    const granted = this.book(tx, {
      reference,
      debit: OPERATOR,
      credit: account,
      microAmount,
      receiptHash: null,
    });
    await tx.commit();
    return granted;
  }

  async history({
    account,
    limit,
    cursor,
  }: {
    account?: string;
    limit?: number;
    cursor?: string;
  }): Promise<Page<LedgerEntry>> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : parseCursor(cursor);
    const size = pageSize(limit);
    // One more than fits tells whether this page is the last.
    const found = await this.#entries(account, { from: 1, before, limit: size + 1, reverse: true });
    const items = found.slice(0, size);
    const last = items.at(-1);
    return { items, cursor: found.length > size && last !== undefined ? String(last.sequence) : null };
  }

  entriesWith(account: string, fromSequence: number, limit: number): Promise<LedgerEntry[]> {
    const range = {
      from: fromSequence,
      before: Number.MAX_SAFE_INTEGER,
      limit: pageSize(limit),
      reverse: false,
    };
    return this.#entries(account, range);
  }

  async balances(limit: number): Promise<{ account: string; microBalance: number }[]> {
    const balances: { account: string; microBalance: number }[] = [];
    for await (const [account, microBalance] of this.#db.scan(BALANCES, { limit: Math.max(1, limit) })) {
      balances.push({ account, microBalance });
    }
    return balances;
  }

  verify(): Promise<LedgerVerification> {
    return verifyLedger(this.#db, this.#crypto);
  }

  #move(tx: Transaction, account: string, microAmount: number): void {
    tx.put(BALANCES, account, addExactly(this.balance(account, tx), microAmount));
  }

  async #entries(
    account: string | undefined,
    { from, before, limit, reverse }: { from: number; before: number; limit: number; reverse: boolean },
  ): Promise<LedgerEntry[]> {
    const entries: LedgerEntry[] = [];
    if (account === undefined) {
      const range = { gte: sequenceKey(from), lt: sequenceKey(before), limit, reverse };
      for await (const [, entry] of this.#db.scan(ENTRIES, range)) entries.push(entry);
      return entries;
    }
    const range = { gte: accountKey(account, from), lt: accountKey(account, before), limit, reverse };
    for await (const [, sequence] of this.#db.scan(BY_ACCOUNT, range)) {
      const entry = this.#db.get(ENTRIES, sequenceKey(sequence));
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }
}

function pageSize(limit = DEFAULT_PAGE): number {
  return Math.min(Math.max(1, limit), LARGEST_PAGE);
}

function parseCursor(cursor: string): number {
  if (!/^\d{1,16}$/.test(cursor)) throw new MeshError('invalid_request', 'The cursor is not valid.');
  return Number(cursor);
}
