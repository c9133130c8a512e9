import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import type { Disk, Write } from './disk.ts';
import { GroupCommit } from './group-commit.ts';
import { decode, fullKey, KEYSPACE_PREFIX, keyspacePrefix, StagedTransaction } from './transaction.ts';
import type { CommitOptions, Database, Keyspace, ScanRange, Transaction } from './types.ts';

/** Rows read again and again: chain heads, counters, records in work. */
const CACHED_ROWS = 4_096;
/** Characters; larger values (capsules, results) are read once or twice and would only push the small ones out. */
const CACHED_ROW_LENGTH = 4_096;
/** No JSON is empty. */
const ABSENT = '';

export interface BufferedDatabaseInit {
  disk: Disk;
  log: Logger;
  clock: Clock;
  /** Called once when a write failed; from then on every commit rejects with `storage_failed`. */
  onFailure?: (error: MeshError) => void;
}

/** Transactions over a disk: writes are visible at once, from an overlay that each leaves when it is durable. */
export class BufferedDatabase implements Database {
  readonly #disk: Disk;
  readonly #commits: GroupCommit;
  readonly #overlay = new Map<string, Write>();
  /** `ABSENT` stands for a row that is not there: a new capsule is looked up several times before it is stored. */
  readonly #cache = new LRUCache<string, string>({ max: CACHED_ROWS });
  /** By the prefix of the keyspace. */
  readonly #mayExist = new Map<string, (key: string) => boolean>();
  #generation = 0;
  #closing: Promise<void> | undefined;

  constructor({ disk, log, clock, onFailure }: BufferedDatabaseInit) {
    this.#disk = disk;
    this.#commits = new GroupCommit({
      clock,
      write: (writes) => disk.write(writes),
      onDurable: this.#leaveOverlay,
      onFailure: (error) => {
        log.error({ err: error }, 'The store failed; nothing more is written until a restart');
        onFailure?.(error);
      },
    });
  }

  get<T>(space: Keyspace<T>, key: string): T | undefined {
    const raw = this.#read(fullKey(space, key));
    return raw === undefined ? undefined : decode(raw);
  }

  transaction(): Transaction {
    return new StagedTransaction({
      read: this.#read,
      generation: () => this.#generation,
      apply: this.#apply,
    });
  }

  async *scan<T>(space: Keyspace<T>, range: ScanRange): AsyncGenerator<[string, T]> {
    for await (const pairs of this.scanMany(space, range)) yield* pairs;
  }

  async *scanMany<T>(space: Keyspace<T>, range: ScanRange): AsyncGenerator<[string, T][]> {
    await this.flushed();
    this.#assertOpen();
    for await (const pairs of this.#disk.iterate(fullRange(space.id, range))) {
      yield pairs.map(([key, raw]) => [key.slice(KEYSPACE_PREFIX), decode(raw)]);
    }
  }

  assumeAbsent(space: Keyspace<unknown>, mayExist: (key: string) => boolean): void {
    this.#mayExist.set(keyspacePrefix(space.id), mayExist);
  }

  get hasRoom(): boolean {
    return this.#commits.hasRoom;
  }

  flushed(): Promise<void> {
    return this.#commits.flushed();
  }

  close(): Promise<void> {
    this.#closing ??= this.#commits
      .close()
      // A failure was told to every commit and to `onFailure`; closing goes on.
      .catch(() => undefined)
      .then(() => this.#disk.close());
    return this.#closing;
  }

  readonly #read = (key: string): string | undefined => {
    const write = this.#overlay.get(key);
    if (write !== undefined) return write.type === 'put' ? write.value : undefined;
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached === ABSENT ? undefined : cached;
    this.#assertOpen();
    if (this.#mayExist.get(key.slice(0, KEYSPACE_PREFIX))?.(key.slice(KEYSPACE_PREFIX)) === false)
      return undefined;
    const raw = this.#disk.get(key);
    this.#remember(key, raw ?? ABSENT);
    return raw;
  };

  readonly #apply = (writes: Map<string, Write>, options: CommitOptions): Promise<void> => {
    if (writes.size === 0) return this.flushed();
    const durable = this.#commits.add(writes, options);
    this.#generation++;
    for (const [key, write] of writes) this.#overlay.set(key, write);
    return durable;
  };

  readonly #leaveOverlay = (write: Write): void => {
    // Rows that nobody read, as those of the indexes, would only push others out.
    if (this.#cache.has(write.key)) this.#remember(write.key, write.type === 'put' ? write.value : ABSENT);
    if (this.#overlay.get(write.key) === write) this.#overlay.delete(write.key);
  };

  #remember(key: string, raw: string): void {
    if (raw.length <= CACHED_ROW_LENGTH) this.#cache.set(key, raw);
    else this.#cache.delete(key);
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new MeshError('storage_failed', 'The store is closed.');
  }
}

function fullRange(id: number, { gte, gt, lt, lte, reverse, limit }: ScanRange): ScanRange {
  const prefix = keyspacePrefix(id);
  return {
    ...(gt !== undefined ? { gt: prefix + gt } : { gte: prefix + (gte ?? '') }),
    ...(lt !== undefined
      ? { lt: prefix + lt }
      : lte !== undefined
        ? { lte: prefix + lte }
        : { lt: keyspacePrefix(id + 1) }),
    ...(reverse !== undefined && { reverse }),
    ...(limit !== undefined && { limit }),
  };
}
