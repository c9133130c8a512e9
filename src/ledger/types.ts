import type { Page, Reader, Transaction } from '../store/types.ts';

/** One double entry: `microAmount` moves from the account `debit` to the account `credit`. Hash-linked. */
export interface LedgerEntry {
  /** 1, 2, 3 … in this node's book. */
  sequence: number;
  /**
   * `capsule:<id>`, `reversal:<id>` or `dispute:<id>` of a payment for that capsule, or `grant:<uuid>`; booked at most
   * once ever.
   */
  reference: string;
  /** An identity, or `operator` for granted credit. */
  debit: string;
  credit: string;
  /** 0 in a dispute, which moves nothing. */
  microAmount: number;
  receiptHash: string | null;
  at: number;
  previousHash: string;
  entryHash: string;
}

/** Micro-credits; what is disputed is a part of the balance. */
export interface Balance {
  account: string;
  microBalance: number;
  microDisputed: number;
}

/** What a booking says; the book adds its place. */
export type NewEntry = Pick<LedgerEntry, 'reference' | 'debit' | 'credit' | 'microAmount' | 'receiptHash'>;

export interface LedgerVerification {
  ok: boolean;
  entries: number;
  problems: string[];
}

/** Every node's own book. All amounts are integer micro-credits. */
export interface Ledger {
  /** 0 for an unknown account. */
  balance(account: string, reader?: Reader): number;
  /**
   * Whether `origin` could pay `microAmount` here: above minus its credit limit afterwards, or fully covered when
   * `prepay`. Amounts disputed or reserved for work in progress count as spent.
   */
  canPay(origin: string, microAmount: number, prepay: boolean): boolean;
  /** Holds the amount for a capsule that was accepted, until released. In memory; rebuilt by recovery. */
  reserve(capsuleId: string, origin: string, microAmount: number): void;
  release(capsuleId: string): void;
  /** False, and nothing staged, when the reference is booked already: then nothing may be done that needs the booking. */
  book(tx: Transaction, entry: NewEntry): boolean;
  /**
   * Marks the payment `capsule:<id>` as disputed by its payer: it stays a debt, and is named. False, and nothing staged,
   * where it was never booked, or is disputed or reversed already.
   */
  dispute(tx: Transaction, reference: string): boolean;
  /** Takes the payment `capsule:<id>` back, disputed or not. False, and nothing staged, where there is none to take back. */
  reverse(tx: Transaction, reference: string): boolean;
  /** What an account disputes of its debts here; 0 for an unknown one. */
  disputed(account: string, reader?: Reader): number;
  entry(reference: string, reader?: Reader): LedgerEntry | undefined;
  booked(reference: string, reader?: Reader): boolean;
  /** Credits an account against `operator`; false when a grant of this id was booked before. Durable when it resolves. */
  grant(account: string, microAmount: number, id: string): Promise<boolean>;
  /** Newest first. */
  history(options: {
    account?: string;
    limit?: number;
    cursor?: string;
    signal?: AbortSignal;
  }): Promise<Page<LedgerEntry>>;
  /** Entries in which `account` takes part, oldest first, from `fromSequence` on; for reconciliation. */
  entriesWith(account: string, fromSequence: number, limit: number): Promise<LedgerEntry[]>;
  /** Every account with its balance, at most `limit`. */
  balances(limit: number): Promise<Balance[]>;
  /** Recomputes every hash, link and balance. */
  verify(options?: { signal?: AbortSignal }): Promise<LedgerVerification>;
}
