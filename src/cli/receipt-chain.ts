import { createInterface } from 'node:readline';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { GENESIS_HASH, type Receipt } from '../../protocols/receipt/v1/schema.ts';
import { verifyReceipt } from '../capsule/receipt.ts';
import type { ReceiptsVerification } from '../engine/types.ts';
import { nodeCrypto } from '../lib/crypto-node.ts';
import { MeshError } from '../lib/errors.ts';
import { type JsonLimits, parseJson } from '../lib/json.ts';
import { usage } from './failure.ts';
import { openForReading } from './files.ts';
import type { CliIo } from './io.ts';

/** Problems that are named; a chain that is not one would have as many as receipts. */
const MAX_PROBLEMS = 100;
/** A receipt has a few hundred bytes and is flat; what an error says is the largest part. */
const LINE_LIMITS: JsonLimits = { maxBytes: LIMITS.frameBytes, maxDepth: LIMITS.jsonDepth + 1 };

interface Entry {
  sequence: number;
  receipt: Receipt;
}

/**
 * Verifies exported receipts, one `{sequence, receipt}` a line, newest first, without a node: hashes, signatures,
 * links, numbering down to 1, one identity. Memory does not grow with the chain.
 */
export async function verifyExport(io: CliIo, file: string): Promise<ReceiptsVerification> {
  const problems: ReceiptsVerification['problems'] = [];
  let receipts = 0;
  let newer: Entry | undefined;
  for await (const line of createInterface({
    input: await openForReading(io, file),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    if (line === '') continue;
    receipts++;
    const entry = parse(line, receipts);
    const add = (problem: string): void => {
      if (problems.length >= MAX_PROBLEMS) return;
      problems.push({ sequence: entry.sequence, receiptHash: entry.receipt.receiptHash, problem });
    };
    const checked = verifyReceipt(nodeCrypto, entry.receipt);
    if (!checked.ok) add(checked.error.message);
    if (newer !== undefined) for (const problem of linkProblems(entry, newer)) add(problem);
    newer = entry;
  }
  if (newer !== undefined && (newer.sequence !== 1 || newer.receipt.previousReceiptHash !== GENESIS_HASH)) {
    const { sequence, receipt } = newer;
    problems.push({
      sequence,
      receiptHash: receipt.receiptHash,
      problem: 'The chain does not go back to its beginning.',
    });
  }
  return { ok: problems.length === 0, receipts, problems };
}

function linkProblems(older: Entry, newer: Entry): string[] {
  const problems: string[] = [];
  if (newer.sequence !== older.sequence + 1)
    problems.push(`It is followed by receipt ${String(newer.sequence)}.`);
  if (newer.receipt.previousReceiptHash !== older.receipt.receiptHash) {
    problems.push(`Receipt ${String(newer.sequence)} does not name it as the one before.`);
  }
  if (newer.receipt.identity !== older.receipt.identity) problems.push('It is another identity’s.');
  return problems;
}

function parse(line: string, number: number): Entry {
  let reason = '';
  try {
    const value: unknown = parseJson(line, LINE_LIMITS);
    if (typeof value === 'object' && value !== null && 'sequence' in value && 'receipt' in value) {
      const { sequence, receipt } = value;
      if (Number.isSafeInteger(sequence) && typeof receipt === 'object' && receipt !== null)
        return value as Entry;
    }
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    reason = `${error.message} `;
  }
  throw usage(
    `Line ${String(number)} is not an exported receipt.`,
    `${reason}Export with: capsule receipts export --out FILE`,
  );
}
