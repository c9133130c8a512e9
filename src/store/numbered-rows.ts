import type { Database, Keyspace, Reader } from './types.ts';

/** 16 digits, so that keys sort as the numbers do. */
export function sequenceKey(sequence: number): string {
  return String(sequence).padStart(16, '0');
}

/**
 * The newest of rows that are numbered 1, 2, 3 … without a row that says where they end. It is remembered and looked
 * for from there, through the caller's transaction: that has read that the next row is not there, so of two that append
 * at once the second is refused with `conflict`. What was staged and given up is not there either.
 */
export class NumberedRows<T> {
  readonly #space: Keyspace<T>;
  #from = 0;

  constructor(space: Keyspace<T>) {
    this.#space = space;
  }

  /** Finds the newest row on the disk. Without it the first look walks from row 1. */
  async open(db: Database): Promise<void> {
    for await (const [key] of db.scan(this.#space, { reverse: true, limit: 1 })) this.#from = Number(key);
  }

  newest(reader: Reader): { sequence: number; row: T } | undefined {
    let sequence = this.#from;
    let row = sequence === 0 ? undefined : reader.get(this.#space, sequenceKey(sequence));
    while (row === undefined && sequence > 0) row = reader.get(this.#space, sequenceKey(--sequence));
    for (let next = reader.get(this.#space, sequenceKey(sequence + 1)); next !== undefined; ) {
      row = next;
      sequence++;
      next = reader.get(this.#space, sequenceKey(sequence + 1));
    }
    this.#from = sequence;
    return row === undefined ? undefined : { sequence, row };
  }
}
