import { createInterface } from 'node:readline';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { type ChainEntry, type ChainVerification, verifyReceiptChain } from '../capsule/receipt-chain.ts';
import { nodeCrypto } from '../lib/crypto-node.ts';
import { MeshError } from '../lib/errors.ts';
import { type JsonLimits, parseJson } from '../lib/json.ts';
import { usage } from './failure.ts';
import { openForReading } from './files.ts';
import type { CliIo } from './io.ts';

/** A receipt has a few hundred bytes and is flat; what an error says is the largest part. */
const LINE_LIMITS: JsonLimits = { maxBytes: LIMITS.frameBytes, maxDepth: LIMITS.jsonDepth + 1 };

/** Verifies exported receipts, one `{sequence, receipt}` a line, without a node. */
export const verifyExport = (io: CliIo, file: string): Promise<ChainVerification> =>
  verifyReceiptChain(nodeCrypto, entriesOf(io, file));

async function* entriesOf(io: CliIo, file: string): AsyncGenerator<ChainEntry> {
  const input = await openForReading(io, file);
  let number = 0;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line !== '') yield entryOf(line, `Line ${String(++number)}`);
  }
}

function entryOf(line: string, name: string): ChainEntry {
  let reason = '';
  try {
    const value: unknown = parseJson(line, LINE_LIMITS);
    if (isEntry(value)) return value;
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    reason = `${error.message} `;
  }
  const hint = `${reason}Export with: capsule receipts export --out FILE`;
  throw usage(`${name} is not an exported receipt.`, hint);
}

function isEntry(value: unknown): value is ChainEntry {
  if (typeof value !== 'object' || value === null || !('sequence' in value) || !('receipt' in value))
    return false;
  return Number.isSafeInteger(value.sequence) && typeof value.receipt === 'object' && value.receipt !== null;
}
