import type { ScanRange } from './types.ts';

export type Write = { type: 'put'; key: string; value: string } | { type: 'del'; key: string };

/** Ordered bytes on some medium, below transactions: a journal before LevelDB, or memory. */
export interface Disk {
  get(key: string): string | undefined;
  /** All or nothing, and on the medium when it resolves. */
  write(writes: Write[]): Promise<void>;
  /** Pairs as they were when iteration began, in the order of the keys' UTF-8 bytes; many at a time, which is much faster. */
  iterate(range: ScanRange): AsyncIterable<[key: string, value: string][]>;
  close(): Promise<void>;
}

/** Ordered rows below a journal, which replays into them what they lost. */
export interface Rows extends Omit<Disk, 'write'> {
  /** All or nothing; never two at once. */
  apply(writes: Write[]): Promise<void>;
  /**
   * Makes all that was applied before survive a power loss, and then `marks`: where these are found, so is all before. More
   * may be applied meanwhile.
   */
  settle(marks: Write[]): Promise<void>;
}
