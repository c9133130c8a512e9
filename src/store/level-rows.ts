import type { ClassicLevel } from 'classic-level';
import { MeshError } from '../lib/errors.ts';
import type { Rows, Write } from './disk.ts';
import type { ScanRange } from './types.ts';

/** Above every key, which begin with two hex digits. */
const NO_ROW = '~';

/** Rows read at once: few at first, since most readers want a page; more for those who go on. */
const FEWEST_READ = 64;
const MOST_READ = 2_048;
/** Bytes read at once at most, besides the last row. */
const READ_BYTES = 262_144;

/** LevelDB, one directory, one process. */
export class LevelRows implements Rows {
  readonly #level: ClassicLevel<string, string>;

  constructor(level: ClassicLevel<string, string>) {
    this.#level = level;
  }

  get(key: string): string | undefined {
    try {
      return this.#level.getSync(key);
    } catch (error) {
      throw new MeshError('storage_failed', 'The store could not be read.', undefined, { cause: error });
    }
  }

  apply(writes: Write[]): Promise<void> {
    return this.#level.batch(writes);
  }

  async settle(marks: Write[]): Promise<void> {
    // A synced batch syncs LevelDB's newest log only. Compacting, even of no row, first writes to tables, which are synced, what
    // is in memory and in older logs. Where that could not begin, all is in the newest log; its failure fails the batch.
    await this.#level.compactRange(NO_ROW, NO_ROW);
    await this.#level.batch(marks, { sync: true });
  }

  async *iterate(range: ScanRange): AsyncGenerator<[string, string][]> {
    const iterator = this.#level.iterator({ ...range, highWaterMarkBytes: READ_BYTES });
    try {
      for (let size = FEWEST_READ; ; size = Math.min(2 * size, MOST_READ)) {
        const pairs = await iterator.nextv(size);
        if (pairs.length === 0) return;
        yield pairs;
      }
    } finally {
      await iterator.close();
    }
  }

  close(): Promise<void> {
    return this.#level.close();
  }
}
