import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { throwIfAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import type { Startable } from '../lib/lifecycle.ts';
import { NumberedRows, sequenceKey } from '../store/numbered-rows.ts';
import type { Database, Page, Reader, Transaction } from '../store/types.ts';
import {
  accountKey,
  accountKeys,
  BALANCES,
  BY_ACCOUNT,
  DISPUTED,
  disputeReference,
  ENTRIES,
  NOTED,
  NOTED_KEY,
  OPERATOR,
  paymentId,
  REFERENCES,
  reversalReference,
} from './books.ts';
import { checkEnd } from './check-end.ts';
import { addExactly, assertEntry, EMPTY_BOOK, type EntryCrypto, linkEntry } from './entry.ts';
import { Reservations } from './reservations.ts';
import type { Balance, Ledger, LedgerEntry, LedgerVerification, NewEntry } from './types.ts';
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
  /** Credits that an identity may owe here; 1,000 for everybody unless told. */
  creditLimit?: (identity: string) => number;
  /** The node's own account, of which no index is kept: its entries are nearly all. */
  self?: string;
}

/** The book of one node (protocol "Credits"), in the node's database. */
export class DatabaseLedger implements Ledger, Startable {
  readonly #db: Database;
  readonly #crypto: EntryCrypto;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #creditLimit: (identity: string) => number;
  readonly #self: string | undefined;
  readonly #rows = new NumberedRows(ENTRIES);
  readonly #reservations = new Reservations();

  constructor({ db, crypto, clock }: LedgerComponents, init: LedgerInit = {}) {
    this.#db = db;
    this.#crypto = crypto;
    this.#clock = clock;
    this.#creditLimit = init.creditLimit ?? (() => DEFAULT_CREDIT_LIMIT_CREDITS);
    this.#self = init.self;
  }

  /** Rejects with `storage_failed` where the end of the book is not where it was. */
  async start(): Promise<void> {
    await checkEnd(this.#db, this.#crypto, this.#self);
    await this.#rows.open(this.#db);
    await this.#noteEnd();
  }

  async stop(): Promise<void> {
    await this.#noteEnd();
  }

  balance(account: string, reader: Reader = this.#db): number {
    return reader.get(BALANCES, account) ?? 0;
  }

  canPay(origin: string, microAmount: number, prepay: boolean): boolean {
    const after = this.balance(origin) - this.#reservations.of(origin) - microAmount;
    return after >= (prepay ? 0 : -this.#creditLimit(origin) * LIMITS.microPerCredit);
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
    this.#append(tx, entry);
    return true;
  }

  dispute(tx: Transaction, reference: string): boolean {
    const found = this.#openPayment(tx, reference);
    if (found === undefined || this.booked(disputeReference(found.id), tx)) return false;
    const { debit, credit, microAmount, receiptHash } = found.payment;
    // Nothing moves: the debt stays, and the book says that it is disputed.
    this.#append(tx, { reference: disputeReference(found.id), debit, credit, microAmount: 0, receiptHash });
    tx.put(DISPUTED, debit, addExactly(this.disputed(debit, tx), microAmount));
    return true;
  }

  reverse(tx: Transaction, reference: string): boolean {
    const found = this.#openPayment(tx, reference);
    if (found === undefined) return false;
    const { debit, credit, microAmount, receiptHash } = found.payment;
    const back = { debit: credit, credit: debit, microAmount, receiptHash };
    this.#append(tx, { reference: reversalReference(found.id), ...back });
    if (this.booked(disputeReference(found.id), tx)) {
      tx.put(DISPUTED, debit, this.disputed(debit, tx) - microAmount);
    }
    return true;
  }

  disputed(account: string, reader: Reader = this.#db): number {
    return reader.get(DISPUTED, account) ?? 0;
  }

  entry(reference: string, reader: Reader = this.#db): LedgerEntry | undefined {
    const sequence = reader.get(REFERENCES, reference);
    return sequence === undefined ? undefined : reader.get(ENTRIES, sequenceKey(sequence));
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
    signal,
  }: {
    account?: string;
    limit?: number;
    cursor?: string;
    signal?: AbortSignal;
  }): Promise<Page<LedgerEntry>> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : parseCursor(cursor);
    const size = pageSize(limit);
    // One more than fits tells whether this page is the last.
    const found = await this.#entries(account, { from: 1, before, limit: size + 1, reverse: true, signal });
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
      signal: undefined,
    };
    return this.#entries(account, range);
  }

  async balances(limit: number): Promise<Balance[]> {
    const balances: Balance[] = [];
    for await (const [account, microBalance] of this.#db.scan(BALANCES, { limit: Math.max(1, limit) })) {
      balances.push({ account, microBalance, microDisputed: this.disputed(account) });
    }
    return balances;
  }

  verify({ signal }: { signal?: AbortSignal } = {}): Promise<LedgerVerification> {
    return verifyLedger(this.#db, this.#crypto, this.#self, signal);
  }

  /** A payment that was not reversed. */
  #openPayment(tx: Transaction, reference: string): { id: string; payment: LedgerEntry } | undefined {
    const id = paymentId(reference);
    if (id === undefined || this.booked(reversalReference(id), tx)) return undefined;
    const payment = this.entry(reference, tx);
    return payment && { id, payment };
  }

  async #noteEnd(): Promise<void> {
    const { sequence, row } = this.#rows.newest(this.#db) ?? {};
    if (sequence === undefined || row === undefined) return;
    if (this.#db.get(NOTED, NOTED_KEY)?.sequence === sequence) return;
    const tx = this.#db.transaction();
    tx.put(NOTED, NOTED_KEY, { sequence, entryHash: row.entryHash });
    await tx.commit();
  }

  #append(tx: Transaction, entry: NewEntry): void {
    const { sequence, row } = this.#rows.newest(tx) ?? {};
    const head =
      sequence === undefined || row === undefined ? EMPTY_BOOK : { sequence, entryHash: row.entryHash };
    const booked = linkEntry(this.#crypto, head, entry, this.#clock.now());
    this.#move(tx, booked.debit, -booked.microAmount);
    this.#move(tx, booked.credit, booked.microAmount);
    this.#rows.append(tx, { sequence: booked.sequence, row: booked });
    tx.put(REFERENCES, booked.reference, booked.sequence);
    for (const key of accountKeys(booked, this.#self)) tx.put(BY_ACCOUNT, key, booked.sequence);
  }

  #move(tx: Transaction, account: string, microAmount: number): void {
    if (microAmount === 0) return;
    tx.put(BALANCES, account, addExactly(this.balance(account, tx), microAmount));
  }

  async #entries(
    account: string | undefined,
    {
      from,
      before,
      limit,
      reverse,
      signal,
    }: { from: number; before: number; limit: number; reverse: boolean; signal: AbortSignal | undefined },
  ): Promise<LedgerEntry[]> {
    const entries: LedgerEntry[] = [];
    if (account === undefined || account === this.#self) {
      const range = { gte: sequenceKey(from), lt: sequenceKey(before), reverse };
      for await (const [, entry] of this.#db.scan(ENTRIES, range)) {
        throwIfAborted(signal);
        if (account === undefined || entry.debit === account || entry.credit === account) entries.push(entry);
        if (entries.length >= limit) break;
      }
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
