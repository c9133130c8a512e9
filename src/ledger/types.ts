import type { Page, Reader, Transaction } from '../store/types.ts';

/** One double entry: `microAmount` moves from the account `debit` to the account `credit`. Hash-linked. */
export interface LedgerEntry {
  /** 1, 2, 3 … in this node's book. */
  sequence: number;
  /** `capsule:<id>`, `reversal:<id>` of a payment for that capsule, or `grant:<uuid>`; booked at most once ever. */
  reference: string;
  /** An identity, or `operator` for granted credit. */
  debit: string;
  credit: string;
  microAmount: number;
  receiptHash: string | null;
  at: number;
  previousHash: string;
  entryHash: string;
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
   * Whether `origin` could pay `microAmount` here: above minus the credit limit afterwards, or fully covered when
   * `prepay`. Amounts reserved for work in progress count as spent.
   */
  canPay(origin: string, microAmount: number, prepay: boolean): boolean;
  /** Holds the amount for a capsule that was accepted, until released. In memory; rebuilt by recovery. */
  reserve(capsuleId: string, origin: string, microAmount: number): void;
  release(capsuleId: string): void;
  /** False, and nothing staged, when the reference is booked already. */
  book(tx: Transaction, entry: NewEntry): boolean;
  booked(reference: string, reader?: Reader): boolean;
  /** Credits an account against `operator`; false when a grant of this id was booked before. Durable when it resolves. */
  grant(account: string, microAmount: number, id: string): Promise<boolean>;
  /** Newest first. */
  history(options: { account?: string; limit?: number; cursor?: string }): Promise<Page<LedgerEntry>>;
  /** Entries in which `account` takes part, oldest first, from `fromSequence` on; for reconciliation. */
  entriesWith(account: string, fromSequence: number, limit: number): Promise<LedgerEntry[]>;
  /** Every account with its balance, at most `limit`. */
  balances(limit: number): Promise<{ account: string; microBalance: number }[]>;
  /** Recomputes every hash, link and balance. */
  verify(): Promise<LedgerVerification>;
}
