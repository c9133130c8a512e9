import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import type { Crypto } from '../lib/crypto.ts';
import { canonicalJson } from '../lib/json.ts';

/** What a state root commits to (protocol "Receipt"); each is 64 hex characters. */
export interface NodeState {
  /** `capabilitiesDigest` of what is installed. */
  capabilities: string;
  /** `SetHash` over the storage of all modules. */
  storage: string;
  /** `receiptsDigest` of all receipts up to here. */
  receipts: string;
}

export interface InstalledCode {
  id: string;
  version: string;
  codeHash: string;
}

/** A receipt before its place in the chain is known. */
export type ReceiptFacts = Omit<
  Receipt,
  'previousStateRoot' | 'nextStateRoot' | 'previousReceiptHash' | 'receiptHash' | 'signature'
>;

export function stateRoot(crypto: Crypto, identity: string, state: NodeState): string {
  return crypto.sha256Hex(canonicalJson({ identity, ...state }));
}

export function capabilitiesDigest(crypto: Crypto, installed: readonly InstalledCode[]): string {
  const sorted = [...installed].sort((a, b) => (a.id < b.id ? -1 : 1));
  return crypto.sha256Hex(canonicalJson(sorted));
}

/**
 * Digest of a chain that grew by one receipt. It leaves out what the receipt says about the chain itself, since the
 * state root in the receipt depends on it.
 */
export function receiptsDigest(crypto: Crypto, previous: string, facts: ReceiptFacts): string {
  return crypto.sha256Hex(previous + canonicalJson(facts));
}

export function factsOf(receipt: Receipt): ReceiptFacts {
  const { previousStateRoot, nextStateRoot, previousReceiptHash, receiptHash, signature, ...facts } = receipt;
  return facts;
}
