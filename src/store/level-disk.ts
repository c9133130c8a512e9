import type { Level } from 'level';
import { MeshError } from '../lib/errors.ts';
import type { Disk, Write } from './disk.ts';
import type { ScanRange } from './types.ts';

const SYNCED = { sync: true } as const;

/** LevelDB, one directory, one process. */
export class LevelDisk implements Disk {
  readonly #level: Level<string, string>;

  constructor(level: Level<string, string>) {
    this.#level = level;
  }

  get(key: string): string | undefined {
    try {
      return this.#level.getSync(key);
    } catch (error) {
      throw new MeshError('storage_failed', 'The store could not be read.', undefined, { cause: error });
    }
  }

  write(writes: Write[]): Promise<void> {
    return this.#level.batch(writes, SYNCED);
  }

  iterate(range: ScanRange): AsyncIterable<[string, string]> {
    return this.#level.iterator(range);
  }

  close(): Promise<void> {
    return this.#level.close();
  }
}
