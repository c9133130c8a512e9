import type { Disk, Write } from '../../src/store/disk.ts';
import { MemoryDisk } from '../../src/store/memory-disk.ts';
import type { ScanRange } from '../../src/store/types.ts';

/** A disk whose writes wait until they are let through, or fail: for tests of what happens in between. */
export class GatedDisk implements Disk {
  /** Each batch as it was asked for. */
  readonly batches: Write[][] = [];
  reads = 0;
  readonly #memory = new MemoryDisk();
  #waiting: { pass: () => void; fail: (error: Error) => void }[] = [];

  get(key: string): string | undefined {
    this.reads++;
    return this.#memory.get(key);
  }

  async write(writes: Write[]): Promise<void> {
    this.batches.push(writes);
    await new Promise<void>((pass, fail) => this.#waiting.push({ pass, fail }));
    await this.#memory.write(writes);
  }

  iterate(range: ScanRange): AsyncIterable<[string, string][]> {
    return this.#memory.iterate(range);
  }

  close(): Promise<void> {
    return this.#memory.close();
  }

  pass(): void {
    this.#take().pass();
  }

  fail(error: Error): void {
    this.#take().fail(error);
  }

  #take(): { pass: () => void; fail: (error: Error) => void } {
    const next = this.#waiting.shift();
    if (next === undefined) throw new Error('No write is waiting.');
    return next;
  }
}
