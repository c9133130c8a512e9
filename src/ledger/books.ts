import { keyspace } from '../store/keyspaces.ts';
import type { LedgerEntry } from './types.ts';

export interface LedgerHead {
  sequence: number;
  entryHash: string;
}

export const ENTRIES = keyspace<LedgerEntry>('ledgerEntries');
/** Sequence by reference. */
export const REFERENCES = keyspace<number>('ledgerReferences');
/** Micro-credits by account. */
export const BALANCES = keyspace<number>('ledgerBalances');
/** Sequence by `<account>:<sequence>`. */
export const BY_ACCOUNT = keyspace<number>('ledgerByAccount');
export const HEAD = keyspace<LedgerHead>('ledgerHead');
export const HEAD_KEY = 'head';

/** The account that granted credit comes from; its balance is minus all grants. */
export const OPERATOR = 'operator';

/** Keys sort as the numbers do. */
export function sequenceKey(sequence: number): string {
  return String(sequence).padStart(16, '0');
}

export function accountKey(account: string, sequence: number): string {
  return `${account}:${sequenceKey(sequence)}`;
}

/** One key per party, one in all where an account pays itself. */
export function accountKeys({ debit, credit, sequence }: LedgerEntry): string[] {
  return [...new Set([debit, credit])].map((account) => accountKey(account, sequence));
}
