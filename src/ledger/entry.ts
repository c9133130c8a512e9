import { GENESIS_HASH } from '../../protocols/receipt/v1/schema.ts';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { canonicalJson } from '../lib/json.ts';
import { type LedgerHead, OPERATOR } from './books.ts';
import type { LedgerEntry, NewEntry } from './types.ts';

/** Longest reference: `capsule:` and an id, with room. */
const REFERENCE_CHARS = 128;

export const EMPTY_BOOK: LedgerHead = { sequence: 0, entryHash: GENESIS_HASH };

/** The entry that follows `head`, with its hash. */
export function linkEntry(crypto: EntryCrypto, head: LedgerHead, entry: NewEntry, at: number): LedgerEntry {
  const { reference, debit, credit, microAmount, receiptHash } = entry;
  const unhashed = {
    sequence: head.sequence + 1,
    reference,
    debit,
    credit,
    microAmount,
    receiptHash,
    at,
    previousHash: head.entryHash,
  };
  return { ...unhashed, entryHash: crypto.sha256Hex(canonicalJson(unhashed)) };
}

export type EntryCrypto = Pick<Crypto, 'sha256Hex'>;

/** SHA-256 of the canonical form of everything but `entryHash`. */
export function hashEntry(crypto: EntryCrypto, { entryHash: _, ...unhashed }: LedgerEntry): string {
  return crypto.sha256Hex(canonicalJson(unhashed));
}

/** Throws `invalid_request` for what can be no entry. */
export function assertEntry({ reference, debit, credit, microAmount }: NewEntry): void {
  assertAccount(debit);
  assertAccount(credit);
  if (reference.length === 0 || reference.length > REFERENCE_CHARS) {
    throw new MeshError('invalid_request', `A reference has 1 to ${REFERENCE_CHARS} characters.`);
  }
  if (!Number.isSafeInteger(microAmount) || microAmount <= 0) {
    throw new MeshError('invalid_request', 'An amount is a positive whole number of micro-credits.', {
      microAmount,
    });
  }
}

/** The sum; throws `invalid_request` where numbers stop being exact. */
export function addExactly(balance: number, microAmount: number): number {
  const sum = balance + microAmount;
  if (Number.isSafeInteger(sum)) return sum;
  throw new MeshError('invalid_request', 'The balance would be too large to be counted exactly.', {
    balance,
    microAmount,
  });
}

function assertAccount(account: string): void {
  if (account === OPERATOR || /^[0-9a-f]{64}$/.test(account)) return;
  throw new MeshError(
    'invalid_request',
    'An account is an identity of 64 lowercase hex digits, or "operator".',
  );
}
