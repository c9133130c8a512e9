import { keyspace } from '../store/keyspaces.ts';
import { sequenceKey } from '../store/numbered-rows.ts';
import type { LedgerEntry } from './types.ts';

export interface LedgerHead {
  sequence: number;
  entryHash: string;
}

export const ENTRIES = keyspace<LedgerEntry>('ledgerEntries');
/** How far the book was at the last start or stop. */
export const NOTED = keyspace<LedgerHead>('meta');
export const NOTED_KEY = 'ledger-end';
/** Sequence by reference. */
export const REFERENCES = keyspace<number>('ledgerReferences');
/** Micro-credits by account. */
export const BALANCES = keyspace<number>('ledgerBalances');
/** Micro-credits by account: debts that it disputes and that were not reversed; a part of its balance. */
export const DISPUTED = keyspace<number>('ledgerDisputed');
/** Sequence by `<account>:<sequence>`; not for the book's own account, which nearly every entry has. */
export const BY_ACCOUNT = keyspace<number>('ledgerByAccount');

/** The account that granted credit comes from; its balance is minus all grants. */
export const OPERATOR = 'operator';

export function accountKey(account: string, sequence: number): string {
  return `${account}:${sequenceKey(sequence)}`;
}

/** One key per party but the book's own, one in all where an account pays itself. */
export function accountKeys({ debit, credit, sequence }: LedgerEntry, self: string | undefined): string[] {
  return [...new Set([debit, credit])]
    .filter((account) => account !== self)
    .map((account) => accountKey(account, sequence));
}

const PAYMENT = 'capsule:';
const REVERSAL = 'reversal:';
const DISPUTE = 'dispute:';

export const paymentReference = (id: string): string => PAYMENT + id;
export const reversalReference = (id: string): string => REVERSAL + id;
export const disputeReference = (id: string): string => DISPUTE + id;

/** The capsule that a reference of this kind is of; undefined for any other reference. */
export const paymentId = (reference: string): string | undefined => idAfter(PAYMENT, reference);
export const reversedId = (reference: string): string | undefined => idAfter(REVERSAL, reference);
export const disputedId = (reference: string): string | undefined => idAfter(DISPUTE, reference);

function idAfter(kind: string, reference: string): string | undefined {
  return reference.startsWith(kind) ? reference.slice(kind.length) : undefined;
}
