import { GENESIS_HASH, type Receipt } from '../../protocols/receipt/v1/schema.ts';
import { signReceipt } from '../capsule/receipt.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { keyspace } from '../store/keyspaces.ts';
import type { Database, Page, Reader, ScanRange, Transaction } from '../store/types.ts';
import { emptyStorageDigest } from './module-storage.ts';
import {
  capabilitiesDigest,
  type InstalledCode,
  type NodeState,
  type ReceiptFacts,
  receiptsDigest,
  stateRoot,
} from './state-root.ts';

/** A receipt with the state that its `nextStateRoot` commits to, so that every root can be computed again. */
export interface ReceiptEntry {
  receipt: Receipt;
  state: NodeState;
}

/** The newest receipt of the chain; before the first one `sequence` is 0. */
export interface ChainHead {
  sequence: number;
  receiptHash: string;
  root: string;
  state: NodeState;
}

/** By sequence, 16 digits. */
const entries = keyspace<ReceiptEntry>('receipts');
const sequenceByHash = keyspace<number>('receiptsByHash');
/** The newest of a capsule's receipts. */
const sequenceByCapsule = keyspace<number>('receiptsByCapsule');
const heads = keyspace<ChainHead>('state');
/** What was installed, by its digest: the readable side of `NodeState.capabilities`. */
const installations = keyspace<readonly InstalledCode[]>('stateDigests');
const HEAD_KEY = 'receipt-chain';

const DEFAULT_PAGE = 50;
const MAX_PAGE = 500;

export interface ReceiptChainComponents {
  db: Database;
  crypto: Crypto;
  signer: Signer;
}

/**
 * This node's own chain of receipts. Everything about it, heads included, is read and written through the
 * transaction of the intent, so a batch that is given up leaves no trace.
 */
export class ReceiptChain {
  readonly #components: ReceiptChainComponents;
  /** Digest of what is installed now; `install` sets it. */
  #capabilities = '';
  readonly genesis: NodeState;

  constructor(components: ReceiptChainComponents) {
    this.#components = components;
    this.genesis = { capabilities: '', storage: emptyStorageDigest(), receipts: GENESIS_HASH };
  }

  /** Says what code is installed from now on; the next receipt's `previousStateRoot` commits to it. */
  async install(installed: readonly InstalledCode[]): Promise<void> {
    const { db, crypto } = this.#components;
    this.#capabilities = capabilitiesDigest(crypto, installed);
    if (db.get(installations, this.#capabilities) !== undefined) return;
    const tx = db.transaction();
    tx.put(installations, this.#capabilities, installed);
    await tx.commit();
  }

  /** Signs the next receipt and stages it with the new head. `storage` is its new digest, null if untouched. */
  append(tx: Transaction, facts: ReceiptFacts, storage: string | null): Receipt {
    const { crypto, signer } = this.#components;
    const head = this.head(tx);
    const state: NodeState = {
      capabilities: this.#capabilities,
      storage: storage ?? head.state.storage,
      receipts: receiptsDigest(crypto, head.state.receipts, facts),
    };
    const root = stateRoot(crypto, signer.identity, state);
    const receipt = signReceipt(signer, crypto, {
      ...facts,
      previousStateRoot: this.#rootNow(head),
      nextStateRoot: root,
      previousReceiptHash: head.receiptHash,
    });
    const sequence = head.sequence + 1;
    tx.put(entries, entryKey(sequence), { receipt, state });
    tx.put(sequenceByHash, receipt.receiptHash, sequence);
    if (receipt.capsuleId !== null) tx.put(sequenceByCapsule, receipt.capsuleId, sequence);
    tx.put(heads, HEAD_KEY, { sequence, receiptHash: receipt.receiptHash, root, state });
    return receipt;
  }

  head(reader: Reader = this.#components.db): ChainHead {
    return (
      reader.get(heads, HEAD_KEY) ?? {
        sequence: 0,
        receiptHash: GENESIS_HASH,
        root: '',
        state: this.genesis,
      }
    );
  }

  get(receiptHash: string): Receipt | undefined {
    return this.#entry(this.sequenceOf(receiptHash))?.receipt;
  }

  ofCapsule(capsuleId: string, reader: Reader = this.#components.db): Receipt | undefined {
    return this.#entry(reader.get(sequenceByCapsule, capsuleId), reader)?.receipt;
  }

  sequenceOf(receiptHash: string): number | undefined {
    return this.#components.db.get(sequenceByHash, receiptHash);
  }

  sequenceOfCapsule(capsuleId: string): number | undefined {
    return this.#components.db.get(sequenceByCapsule, capsuleId);
  }

  installation(digest: string): readonly InstalledCode[] | undefined {
    return this.#components.db.get(installations, digest);
  }

  /** Newest first; `limit` 1 to 500, 50 unless told. Throws `invalid_request` for a cursor that is none. */
  async list(options: {
    limit?: number;
    cursor?: string;
  }): Promise<Page<{ sequence: number; receipt: Receipt }>> {
    const limit = Math.min(Math.max(Math.trunc(options.limit ?? DEFAULT_PAGE), 1), MAX_PAGE);
    const items: { sequence: number; receipt: Receipt }[] = [];
    const range = {
      reverse: true,
      limit: limit + 1,
      ...(options.cursor && { lt: checkCursor(options.cursor) }),
    };
    for await (const [sequence, { receipt }] of this.scan(range)) items.push({ sequence, receipt });
    const more = items.length > limit;
    if (more) items.pop();
    const last = items.at(-1);
    return { items, cursor: more && last !== undefined ? entryKey(last.sequence) : null };
  }

  /** Entries in order as they are at this moment. */
  async *scan(range: ScanRange): AsyncGenerator<[sequence: number, entry: ReceiptEntry]> {
    for await (const [key, entry] of this.#components.db.scan(entries, range)) yield [Number(key), entry];
  }

  /** The head's root, unless what is installed changed since. */
  #rootNow(head: ChainHead): string {
    if (head.state.capabilities === this.#capabilities) return head.root;
    const { crypto, signer } = this.#components;
    return stateRoot(crypto, signer.identity, { ...head.state, capabilities: this.#capabilities });
  }

  #entry(sequence: number | undefined, reader: Reader = this.#components.db): ReceiptEntry | undefined {
    return sequence === undefined ? undefined : reader.get(entries, entryKey(sequence));
  }
}

function entryKey(sequence: number): string {
  return String(sequence).padStart(16, '0');
}

function checkCursor(cursor: string): string {
  if (/^[0-9]{16}$/.test(cursor)) return cursor;
  throw new MeshError('invalid_request', 'The cursor is not one that a page of receipts gave.');
}
