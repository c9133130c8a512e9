import type { Rows, Write } from '../../src/store/disk.ts';
import { MemoryDisk } from '../../src/store/memory-disk.ts';
import type { ScanRange } from '../../src/store/types.ts';

/** Rows below a journal that a power loss takes batches from, as LevelDB's unsynced logs do: any that were not settled. */
export class ForgetfulRows implements Rows {
  /** Thrown by the next `apply` or `settle`. */
  failure: Error | undefined;
  applied = 0;
  #kept = new MemoryDisk();
  #unsettled: Write[][] = [];
  #now = new MemoryDisk();

  get(key: string): string | undefined {
    return this.#now.get(key);
  }

  async apply(writes: Write[]): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.applied += writes.length;
    this.#unsettled.push(writes);
    await this.#now.write(writes);
  }

  async settle(marks: Write[]): Promise<void> {
    await this.apply(marks);
    for (const writes of this.#unsettled) await this.#kept.write(writes);
    this.#unsettled = [];
  }

  iterate(range: ScanRange): AsyncIterable<[string, string][]> {
    return this.#now.iterate(range);
  }

  async close(): Promise<void> {}

  /** What a next life finds. `keeps` is asked for each batch that was not settled, in their order. */
  async afterPowerLoss(keeps: (batch: number) => boolean): Promise<ForgetfulRows> {
    const next = new ForgetfulRows();
    for await (const pairs of this.#kept.iterate({})) {
      for (const [key, value] of pairs) await next.settle([{ type: 'put', key, value }]);
    }
    for (const [batch, writes] of this.#unsettled.entries()) if (keeps(batch)) await next.apply(writes);
    next.applied = 0;
    return next;
  }
}
