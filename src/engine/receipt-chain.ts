import { GENESIS_HASH, type Receipt } from '../../protocols/receipt/v1/schema.ts';
import { signReceipt } from '../capsule/receipt.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { damaged } from '../store/failure.ts';
import { keyspace } from '../store/keyspaces.ts';
import { NumberedRows, sequenceKey } from '../store/numbered-rows.ts';
import type { Database, Page, Reader, ScanRange, Transaction } from '../store/types.ts';
import { emptyStorageDigest } from './module-storage.ts';
import { ReceiptIndex } from './receipt-index.ts';
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

/** Where the chain is; before the first receipt `sequence` is 0. */
export interface ChainHead {
  sequence: number;
  receiptHash: string;
  root: string;
  state: NodeState;
}

/** By sequence, 16 digits. */
const entries = keyspace<ReceiptEntry>('receipts');
const heads = keyspace<ChainHead>('state');
const HEAD_KEY = 'receipt-chain';
/** What was installed, by its digest: the readable side of `NodeState.capabilities`. */
const installations = keyspace<readonly InstalledCode[]>('stateDigests');

const DEFAULT_PAGE = 50;
const MAX_PAGE = 500;

export interface ReceiptChainComponents {
  db: Database;
  crypto: Crypto;
  signer: Signer;
}

/**
 * This node's own chain of receipts. A receipt is one row: what is appended follows the newest row that the intent's
 * transaction sees, so a batch that is given up leaves no trace, and of two at once the second is refused. Now and then
 * a second row says how far the chain was (`checkpoint`), by which a cut end is found, or finds receipts by hash.
 */
export class ReceiptChain {
  readonly #components: ReceiptChainComponents;
  readonly #rows = new NumberedRows(entries);
  readonly #index: ReceiptIndex;
  /** Digest of what is installed now; `install` sets it. */
  #capabilities = '';
  #known: ChainHead;
  readonly genesis: NodeState;

  constructor(components: ReceiptChainComponents) {
    this.#components = components;
    this.#index = new ReceiptIndex(components.db);
    this.genesis = { capabilities: '', storage: emptyStorageDigest(), receipts: GENESIS_HASH };
    this.#known = { sequence: 0, receiptHash: GENESIS_HASH, root: '', state: this.genesis };
  }

  /**
   * Finds where the chain ends. Rejects with `storage_failed` where that is not where it was: by the newest page of
   * receipts, and by what was noted of it. The whole is for `verify`: a start must not take longer for a longer chain.
   */
  async open(): Promise<void> {
    const { db } = this.#components;
    await this.#rows.open(db);
    this.#known = this.#head(db);
    await this.#checkEnd();
    await this.#openPage();
    await this.saveCheckpoint();
  }

  async #checkEnd(): Promise<void> {
    const { sequence } = this.#known;
    const saved = this.checkpoint();
    // A page is written with the receipt after its last.
    const pages = await this.#index.lastOfPages();
    const noted = Math.max(saved?.sequence ?? 0, pages === 0 ? 0 : pages + 1);
    if (noted > sequence) throw damaged(missingReceipts(sequence + 1, noted));
    if (saved === undefined && sequence > 0)
      throw damaged('nothing is noted about how far its receipts were');
    if (!this.#leadsTo(saved, this.#known)) {
      throw damaged(`receipt ${saved?.sequence ?? 0} is missing, or not the one that was noted`);
    }
  }

  /** Reads the page that is not written yet, and sees that its receipts follow one another. */
  async #openPage(): Promise<void> {
    const { sequence } = this.#known;
    const from = ReceiptIndex.firstOfPage(sequence);
    let next = from;
    let before: string | undefined = from === 1 ? GENESIS_HASH : this.#entry(from - 1)?.receipt?.receiptHash;
    for await (const [each, entry] of this.scan({ gte: sequenceKey(from) })) {
      if (each !== next) throw damaged(missingReceipts(next, each - 1));
      if (!isEntry(entry)) throw damaged(`receipt ${each} is not a receipt`);
      const { receiptHash, previousReceiptHash } = entry.receipt;
      if (previousReceiptHash !== before) throw damaged(`receipt ${each} does not follow the one before it`);
      this.#index.note(each, receiptHash);
      before = receiptHash;
      next++;
    }
  }

  /** Notes where the chain is, for `verify`. What contradicts the chain is left as it is, to be found. */
  async saveCheckpoint(): Promise<void> {
    const { db } = this.#components;
    const known = this.#known;
    const saved = this.checkpoint();
    if (saved?.sequence === known.sequence || !this.#leadsTo(saved, known)) return;
    const tx = db.transaction();
    tx.put(heads, HEAD_KEY, known);
    await tx.commit();
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

  /** Signs the next receipt and stages it. `storage` is its new digest, null if untouched. */
  append(
    tx: Transaction,
    facts: ReceiptFacts,
    storage: string | null,
  ): { sequence: number; entry: ReceiptEntry } {
    const { crypto, signer } = this.#components;
    const head = this.#head(tx);
    const state: NodeState = {
      capabilities: this.#capabilities,
      storage: storage ?? head.state.storage,
      receipts: receiptsDigest(crypto, head.state.receipts, facts),
    };
    const receipt = signReceipt(signer, crypto, {
      ...facts,
      previousStateRoot: this.#rootNow(head),
      nextStateRoot: stateRoot(crypto, signer.identity, state),
      previousReceiptHash: head.receiptHash,
    });
    const sequence = head.sequence + 1;
    const entry = { receipt, state };
    this.#rows.append(tx, { sequence, row: entry });
    this.#index.note(head.sequence, head.receiptHash);
    if (this.#index.stagePage(tx, head.sequence) && this.#leadsTo(this.checkpoint(), head)) {
      tx.put(heads, HEAD_KEY, head);
    }
    return { sequence, entry };
  }

  /** Says that what `append` staged is durable. */
  confirm(sequence: number, { receipt, state }: ReceiptEntry): void {
    if (sequence > this.#known.sequence) this.#known = headOf(sequence, { receipt, state });
  }

  /** The newest receipt that this process knows to be there. */
  get known(): ChainHead {
    return this.#known;
  }

  /** Where the chain was at some time before. */
  checkpoint(): ChainHead | undefined {
    return this.#components.db.get(heads, HEAD_KEY);
  }

  at(sequence: number): Receipt | undefined {
    return this.#entry(sequence)?.receipt;
  }

  async get(receiptHash: string, { signal }: { signal?: AbortSignal } = {}): Promise<Receipt | undefined> {
    const newest = this.#rows.newest(this.#components.db);
    if (newest?.row.receipt.receiptHash === receiptHash) return newest.row.receipt;
    for await (const sequence of this.#index.find(receiptHash, signal)) {
      const receipt = this.at(sequence);
      if (receipt?.receiptHash === receiptHash) return receipt;
    }
    return undefined;
  }

  /** The hashes in a full page of the index, cut as that does. */
  indexPage(last: number): string | undefined {
    return this.#index.page(last);
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
    return { items, cursor: more && last !== undefined ? sequenceKey(last.sequence) : null };
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

  #head(reader: Reader): ChainHead {
    const newest = this.#rows.newest(reader);
    if (newest === undefined) {
      return { sequence: 0, receiptHash: GENESIS_HASH, root: '', state: this.genesis };
    }
    if (isEntry(newest.row)) return headOf(newest.sequence, newest.row);
    throw damaged(`receipt ${newest.sequence}, the newest, is not a receipt`);
  }

  /** Whether the chain up to `head` still has what was noted of it; nothing noted is right only before the first. */
  #leadsTo(saved: ChainHead | undefined, head: ChainHead): boolean {
    if (saved === undefined || saved.sequence === 0) return saved !== undefined || head.sequence === 0;
    return (
      saved.sequence <= head.sequence &&
      this.#entry(saved.sequence)?.receipt?.receiptHash === saved.receiptHash
    );
  }

  #entry(sequence: number): ReceiptEntry | undefined {
    return this.#components.db.get(entries, sequenceKey(sequence));
  }
}

export function missingReceipts(from: number, to: number): string {
  return from === to ? `receipt ${from} is missing` : `receipts ${from} to ${to} are missing`;
}

function headOf(sequence: number, { receipt, state }: ReceiptEntry): ChainHead {
  return { sequence, receiptHash: receipt.receiptHash, root: receipt.nextStateRoot, state };
}

/** What lies in the database may have been changed by hand. */
export function isEntry(value: Partial<ReceiptEntry> | null): boolean {
  return (
    typeof value?.receipt?.receiptHash === 'string' && typeof value.state === 'object' && value.state !== null
  );
}

function checkCursor(cursor: string): string {
  if (/^[0-9]{16}$/.test(cursor)) return cursor;
  throw new MeshError('invalid_request', 'The cursor is not one that a page of receipts gave.');
}
