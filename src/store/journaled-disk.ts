import type { Clock } from '../lib/clock.ts';
import type { MeshError } from '../lib/errors.ts';
import type { Disk, Rows, Write } from './disk.ts';
import { writeFailed } from './failure.ts';
import type { Journal } from './journal/journal.ts';
import { keyspace } from './keyspaces.ts';
import { fullKey } from './transaction.ts';
import type { ScanRange } from './types.ts';

/** Bytes in one journal file: what a start after a crash reads again, and what the rows below collect in memory. */
const JOURNAL_BYTES = 32 * 1_048_576;
/** Times that, where a file goes on because the rows of the one before are not safe yet; then writes wait for them. */
const OVERFULL = 4;
/**
 * Rows, characters and milliseconds after which what waits goes down: a capsule's life is mostly shorter, and a row that is
 * written again meanwhile goes down once.
 */
const GATHERED_ROWS = 8_192;
const GATHERED_LENGTH = 8 * 1_048_576;
const GATHERED_MS = 1_000;
/** Rows that go down in one call: enough to save calls, few enough to keep nobody waiting. */
const APPLIED_ROWS = 128;
/** Characters waiting to go down; beyond that writes wait. */
const WAITING_LENGTH = 32 * 1_048_576;

/** Key of the row, below transactions, that names the oldest journal file that counts. */
export const JOURNAL_KEY = fullKey(keyspace('meta'), 'journal');

export interface JournaledDiskComponents {
  journal: Journal;
  rows: Rows;
  clock: Clock;
}

/**
 * Writes are promised by a journal and go down to ordered rows later, unsynced. A journal file is removed when its rows
 * are safe without it; after a crash those that are left are replayed.
 */
export class JournaledDisk implements Disk {
  readonly #journal: Journal;
  readonly #rows: Rows;
  readonly #clock: Clock;
  readonly #journalBytes: number;
  /** On the journal, and not on their way down yet. */
  #waiting = new Map<string, Write>();
  #waitingLength = 0;
  #going: ReadonlyMap<string, Write> = new Map();
  #cancelTimer: (() => void) | undefined;
  /** The newest batch on its way down, and the one that will follow it. */
  #last: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #checkpoint: Promise<void> | undefined;
  #failure: MeshError | undefined;

  constructor({ journal, rows, clock }: JournaledDiskComponents, { journalBytes = JOURNAL_BYTES } = {}) {
    this.#journal = journal;
    this.#rows = rows;
    this.#clock = clock;
    this.#journalBytes = journalBytes;
  }

  get(key: string): string | undefined {
    const write = this.#waiting.get(key) ?? this.#going.get(key);
    if (write !== undefined) return write.type === 'put' ? write.value : undefined;
    return this.#rows.get(key);
  }

  async write(writes: Write[]): Promise<void> {
    if (this.#waitingLength > WAITING_LENGTH) await this.#applied();
    if (this.#journal.size >= this.#journalBytes) await this.#makeRoom();
    if (this.#failure !== undefined) throw this.#failure;
    // It may have taken the record all the same: what follows would not continue it.
    await this.#journal.append(writes).catch(this.#fail);
    for (const write of writes) {
      this.#waiting.set(write.key, write);
      this.#waitingLength += write.key.length + (write.type === 'put' ? write.value.length : 0);
    }
    this.#schedule();
  }

  async *iterate(range: ScanRange): AsyncGenerator<[string, string][]> {
    await this.#applied();
    yield* this.#rows.iterate(range);
  }

  /** Leaves an empty journal, so that the next start has nothing to replay; after a failure the journal as it is. */
  async close(): Promise<void> {
    this.#cancelTimer?.();
    try {
      await this.#checkpoint;
      await this.#applied();
      if (this.#failure !== undefined) return;
      await this.#journal.shrink();
      if (!this.#journal.isEmpty) await this.#settle(await this.#journal.rotate());
    } finally {
      await this.#journal.close();
      await this.#rows.close();
    }
  }

  async #makeRoom(): Promise<void> {
    if (this.#checkpoint !== undefined && this.#journal.size < OVERFULL * this.#journalBytes) return;
    await this.#checkpoint;
    const number = await this.#journal.rotate();
    const checkpoint = this.#settle(number).then(() => {
      this.#checkpoint = undefined;
    }, this.#fail);
    checkpoint.catch(() => undefined);
    this.#checkpoint = checkpoint;
  }

  /** Makes everything before a journal file safe without it. */
  async #settle(number: number): Promise<void> {
    await this.#applied();
    await this.#rows.settle([{ type: 'put', key: JOURNAL_KEY, value: String(number) }]);
    await this.#journal.removeBefore(number);
  }

  #schedule(): void {
    const enough = this.#waiting.size >= GATHERED_ROWS || this.#waitingLength >= GATHERED_LENGTH;
    if (enough) this.#applyUnawaited();
    else this.#cancelTimer ??= this.#clock.after(GATHERED_MS, this.#applyUnawaited);
  }

  /** Resolves when all that was written before is below. */
  #applied(): Promise<void> {
    if (this.#waiting.size === 0) return this.#last;
    this.#next ??= this.#last.then(this.#apply);
    return this.#next;
  }

  readonly #apply = (): Promise<void> => {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const going = this.#waiting;
    this.#waiting = new Map();
    this.#waitingLength = 0;
    this.#going = going;
    this.#next = undefined;
    this.#last = this.#goDown([...going.values()]).then(() => {
      this.#going = new Map();
    }, this.#fail);
    return this.#last;
  };

  async #goDown(writes: readonly Write[]): Promise<void> {
    for (let from = 0; from < writes.length; from += APPLIED_ROWS) {
      await this.#rows.apply(writes.slice(from, from + APPLIED_ROWS));
    }
  }

  readonly #applyUnawaited = (): void => {
    // The next write, which is the first that could be lost, tells of the failure.
    this.#applied().catch(() => undefined);
  };

  readonly #fail = (cause: unknown): never => {
    this.#failure ??= writeFailed(cause);
    throw this.#failure;
  };
}
