import type { ScanRange } from './types.ts';

export type Write = { type: 'put'; key: string; value: string } | { type: 'del'; key: string };

/** Ordered bytes on some medium, below transactions: what `level` is, and what memory is in tests. */
export interface Disk {
  get(key: string): string | undefined;
  /** All or nothing, and on the medium when it resolves. */
  write(writes: Write[]): Promise<void>;
  /** Pairs as they were when iteration began, in the order of the keys' UTF-8 bytes. */
  iterate(range: ScanRange): AsyncIterable<[key: string, value: string]>;
  close(): Promise<void>;
}
