import type { Disk, Write } from './disk.ts';
import type { ScanRange } from './types.ts';

/** A disk that forgets: for tests, and for nodes that shall leave no trace. */
export class MemoryDisk implements Disk {
  readonly #values = new Map<string, string>();

  get(key: string): string | undefined {
    return this.#values.get(key);
  }

  async write(writes: Write[]): Promise<void> {
    for (const write of writes) {
      if (write.type === 'put') this.#values.set(write.key, write.value);
      else this.#values.delete(write.key);
    }
  }

  async *iterate(range: ScanRange): AsyncGenerator<[string, string][]> {
    const pairs = [...this.#values]
      .filter(([key]) => within(key, range))
      .sort(([a], [b]) => compareUtf8(a, b) * (range.reverse ? -1 : 1));
    yield pairs.slice(0, range.limit ?? pairs.length);
  }

  async close(): Promise<void> {}
}

function within(key: string, { gt, gte, lt, lte }: ScanRange): boolean {
  return (
    (gt === undefined || compareUtf8(key, gt) > 0) &&
    (gte === undefined || compareUtf8(key, gte) >= 0) &&
    (lt === undefined || compareUtf8(key, lt) < 0) &&
    (lte === undefined || compareUtf8(key, lte) <= 0)
  );
}

/** Strings compare by UTF-16 units, which order characters beyond the first plane differently than bytes do. */
function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
