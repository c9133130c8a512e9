import type { Disk, Write } from '../../src/store/disk.ts';
import type { MemoryDisk } from '../../src/store/memory-disk.ts';
import type { ScanRange } from '../../src/store/types.ts';

/** Bytes that stay when the node dies, behind a door that its death closes. */
export class MortalDisk implements Disk {
  readonly #medium: MemoryDisk;
  readonly #alive: () => boolean;
  readonly #condition: DiskCondition;

  constructor(medium: MemoryDisk, condition: DiskCondition, alive: () => boolean) {
    this.#medium = medium;
    this.#condition = condition;
    this.#alive = alive;
  }

  get(key: string): string | undefined {
    return this.#medium.get(key);
  }

  async write(writes: Write[]): Promise<void> {
    await this.#condition.stalled;
    if (this.#condition.broken) throw new Error('The disk is broken');
    return this.#alive() ? this.#medium.write(writes) : new Promise(() => {});
  }

  iterate(range: ScanRange): AsyncIterable<[string, string][]> {
    return this.#medium.iterate(range);
  }

  async close(): Promise<void> {}
}

export interface DiskCondition {
  broken: boolean;
  /** Writes wait for it. */
  stalled: Promise<void> | undefined;
}
