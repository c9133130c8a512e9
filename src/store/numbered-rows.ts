import type { Database, Keyspace, Reader, Transaction } from './types.ts';

/** 16 digits, so that keys sort as the numbers do. */
export function sequenceKey(sequence: number): string {
  return String(sequence).padStart(16, '0');
}

/** One of the rows, with its number. */
export interface NumberedRow<T> {
  sequence: number;
  row: T;
}

/**
 * Rows that are numbered 1, 2, 3 … and never removed, without a row that says where they end: that is remembered. Whoever
 * appends has read, through its transaction, that the next row is not there, so of two that append at once the second is
 * refused with `conflict`. What was staged and given up is not there either.
 */
export class NumberedRows<T> {
  readonly #space: Keyspace<T>;
  #newest: NumberedRow<T> | undefined;

  constructor(space: Keyspace<T>) {
    this.#space = space;
  }

  /** Finds the newest row on the disk. Nobody may write such rows but through here. */
  async open(db: Database): Promise<void> {
    for await (const [key, row] of db.scan(this.#space, { reverse: true, limit: 1 })) {
      this.#newest = { sequence: Number(key), row };
    }
    db.assumeAbsent(this.#space, (key) => key <= sequenceKey(this.#newest?.sequence ?? 0));
  }

  newest(reader: Reader): NumberedRow<T> | undefined {
    let found = this.#newest;
    for (;;) {
      const sequence = (found?.sequence ?? 0) + 1;
      const row = reader.get(this.#space, sequenceKey(sequence));
      if (row === undefined) return found;
      found = { sequence, row };
    }
  }

  /** Stages the row that follows the newest one. */
  append(tx: Transaction, { sequence, row }: NumberedRow<T>): void {
    tx.put(this.#space, sequenceKey(sequence), row);
    tx.onApplied(() => {
      if (sequence > (this.#newest?.sequence ?? 0)) this.#newest = { sequence, row };
    });
  }
}
