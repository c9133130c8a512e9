import { GENESIS_HASH, type Receipt } from '../../protocols/receipt/v1/schema.ts';
import type { Crypto } from '../lib/crypto.ts';
import { verifyReceipt } from './receipt.ts';

/** Problems that are named; a chain that is not one would have as many as receipts. */
const MAX_PROBLEMS = 100;

export interface ChainEntry {
  sequence: number;
  /** Not verified yet. */
  receipt: Receipt;
}

export interface ChainVerification {
  ok: boolean;
  receipts: number;
  problems: { sequence: number; receiptHash: string; problem: string }[];
}

/**
 * Verifies a chain of receipts, newest first: hashes, signatures, links, numbering down to 1, one identity. Memory does
 * not grow with the chain.
 */
export async function verifyReceiptChain(
  crypto: Crypto,
  entries: AsyncIterable<ChainEntry>,
): Promise<ChainVerification> {
  const problems: ChainVerification['problems'] = [];
  const add = ({ sequence, receipt: { receiptHash } }: ChainEntry, problem: string): void => {
    if (problems.length < MAX_PROBLEMS) problems.push({ sequence, receiptHash, problem });
  };
  let receipts = 0;
  let newer: ChainEntry | undefined;
  for await (const entry of entries) {
    receipts++;
    const checked = verifyReceipt(crypto, entry.receipt);
    if (!checked.ok) add(entry, checked.error.message);
    if (newer !== undefined) for (const problem of linkProblems(entry, newer)) add(entry, problem);
    newer = entry;
  }
  if (newer !== undefined && (newer.sequence !== 1 || newer.receipt.previousReceiptHash !== GENESIS_HASH))
    add(newer, 'The chain does not go back to its beginning.');
  return { ok: problems.length === 0, receipts, problems };
}

function linkProblems(older: ChainEntry, newer: ChainEntry): string[] {
  const problems: string[] = [];
  if (newer.sequence !== older.sequence + 1)
    problems.push(`It is followed by receipt ${String(newer.sequence)}.`);
  if (newer.receipt.previousReceiptHash !== older.receipt.receiptHash)
    problems.push(`Receipt ${String(newer.sequence)} does not name it as the one before.`);
  if (newer.receipt.identity !== older.receipt.identity) problems.push('It is another identity’s.');
  return problems;
}
