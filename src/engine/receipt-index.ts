import { throwIfAborted } from '../lib/abort.ts';
import { keyspace } from '../store/keyspaces.ts';
import { sequenceKey } from '../store/numbered-rows.ts';
import type { Database, Transaction } from '../store/types.ts';

/** By the number of its last receipt, the hashes of `PAGE_RECEIPTS` receipts in order, each cut to `HASH_CHARS`. */
const pages = keyspace<string>('receiptPages');

/** Receipts in one row: fewer rows to write than one for each, and a million receipts are 4,000 rows to look through. */
export const PAGE_RECEIPTS = 256;
/** 64 bits: what is found is compared in full. */
const HASH_CHARS = 16;

/**
 * Finds receipts by hash. A row for each would double what a receipt writes, for a question that only people ask, so
 * hashes are kept in pages: the newest in memory, and written with the first receipt of the next.
 */
export class ReceiptIndex {
  readonly #db: Database;
  /** Of the page that is not written yet, by place. */
  readonly #hashes: string[] = [];
  #newest = 0;

  constructor(db: Database) {
    this.#db = db;
  }

  /** The number of the first receipt in the page that `sequence` is in; 1 before the first. */
  static firstOfPage(sequence: number): number {
    return Math.floor(Math.max(0, sequence - 1) / PAGE_RECEIPTS) * PAGE_RECEIPTS + 1;
  }

  static cut(receiptHash: string): string {
    return receiptHash.slice(0, HASH_CHARS);
  }

  /** Called for each receipt, in order. 0 stands for none. */
  note(sequence: number, receiptHash: string): void {
    if (sequence === 0) return;
    this.#hashes[(sequence - 1) % PAGE_RECEIPTS] = ReceiptIndex.cut(receiptHash);
    this.#newest = sequence;
  }

  /** Stages the page that `sequence` ends; false where it ends none. */
  stagePage(tx: Transaction, sequence: number): boolean {
    if (sequence === 0 || sequence % PAGE_RECEIPTS !== 0) return false;
    tx.put(pages, sequenceKey(sequence), this.#hashes.join(''));
    return true;
  }

  /** The last receipt of the newest page that was written; 0 before the first. */
  async lastOfPages(): Promise<number> {
    for await (const [key] of this.#db.scan(pages, { reverse: true, limit: 1 })) return Number(key);
    return 0;
  }

  /** The page whose last receipt this is. */
  page(last: number): string | undefined {
    return this.#db.get(pages, sequenceKey(last));
  }

  /** Numbers of receipts whose hash may be this one, the newest first. */
  async *find(receiptHash: string, signal?: AbortSignal): AsyncGenerator<number> {
    const cut = ReceiptIndex.cut(receiptHash);
    const first = ReceiptIndex.firstOfPage(this.#newest);
    const place = this.#hashes.slice(0, this.#newest - first + 1).indexOf(cut);
    if (place !== -1) yield first + place;
    for await (const [key, hashes] of this.#db.scan(pages, { reverse: true })) {
      throwIfAborted(signal);
      for (let at = hashes.indexOf(cut); at !== -1; at = hashes.indexOf(cut, at + 1)) {
        if (at % HASH_CHARS === 0) yield ReceiptIndex.firstOfPage(Number(key)) + at / HASH_CHARS;
      }
    }
  }
}
