import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import type { Write } from './disk.ts';
import { writeFailed } from './failure.ts';
import type { CommitOptions } from './types.ts';

/** Rows in one batch: above this a batch takes so long that the commits behind it notice. */
const BATCH_ROWS = 4_096;
/** Characters in one batch; a single larger commit still goes, alone. */
const BATCH_LENGTH = 4 * 1_048_576;
/**
 * Characters waiting for the disk; a disk this far behind must slow its callers, not fill the memory. What is `done` comes on
 * top: at most what the capsules in hand still come to, since no new ones are taken meanwhile.
 */
const QUEUED_LENGTH = 128 * 1_048_576;
/** Milliseconds a relaxed commit waits for another one's write before it gets one of its own. */
const RELAXED_MS = 10;

interface Commit {
  writes: Map<string, Write>;
  length: number;
  resolve: () => void;
  reject: (error: MeshError) => void;
  relaxed: boolean;
}

export interface GroupCommitInit {
  clock: Clock;
  write: (writes: Write[]) => Promise<void>;
  /** Called for each write that is on the disk, before its commit resolves. */
  onDurable: (write: Write) => void;
  /** Called once. */
  onFailure: (error: MeshError) => void;
}

/**
 * One synced write carries every commit that arrived while the one before was on its way. Order is kept; a row that
 * several commits of a batch wrote is written once, as the last of them left it. A relaxed commit, which nobody waits
 * for, causes no write of its own for a while: it rides with the next one, or goes when it has waited long enough.
 */
export class GroupCommit {
  readonly #init: GroupCommitInit;
  #queue: Commit[] = [];
  #queuedLength = 0;
  #running = false;
  /** Commits in the queue that somebody waits for. */
  #awaited = 0;
  #cancelRelaxed: (() => void) | undefined;
  #refusal: MeshError | undefined;
  #tail: Promise<void> = Promise.resolve();

  constructor(init: GroupCommitInit) {
    this.#init = init;
  }

  get hasRoom(): boolean {
    return this.#queuedLength <= QUEUED_LENGTH;
  }

  /** Throws where nothing is accepted any more, or `busy`; else resolves when durable. */
  add(writes: Map<string, Write>, { relaxed = false, done = false }: CommitOptions = {}): Promise<void> {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (!done && !this.hasRoom) throw new MeshError('busy', 'The disk does not keep up.');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const length = lengthOf(writes);
    this.#queue.push({ writes, length, resolve, reject, relaxed });
    this.#queuedLength += length;
    this.#tail = promise;
    if (!relaxed) this.#awaited++;
    this.#schedule();
    return promise;
  }

  flushed(): Promise<void> {
    this.#hurry();
    return this.#tail;
  }

  /** Accepts nothing more; resolves when what was accepted is durable. */
  close(): Promise<void> {
    this.#refusal ??= new MeshError('storage_failed', 'The store is closed.');
    return this.flushed();
  }

  /** Starts writing where somebody waits; else sees to it that the relaxed ones do not wait for ever. */
  #schedule(): void {
    if (this.#running || this.#queue.length === 0) return;
    if (this.#awaited === 0) {
      this.#cancelRelaxed ??= this.#init.clock.after(RELAXED_MS, () => this.#hurry());
      return;
    }
    this.#cancelRelaxed?.();
    this.#cancelRelaxed = undefined;
    this.#running = true;
    // After all that is due in this tick, so that its commits share one batch.
    queueMicrotask(() => process.nextTick(this.#drain));
  }

  /** From now on somebody waits for everything in the queue. */
  #hurry(): void {
    for (const commit of this.#queue) commit.relaxed = false;
    this.#awaited = this.#queue.length;
    this.#schedule();
  }

  readonly #drain = async (): Promise<void> => {
    while (this.#awaited > 0) {
      const batch = this.#takeBatch();
      const rows = new Map<string, Write>();
      for (const commit of batch) for (const [key, write] of commit.writes) rows.set(key, write);
      const writes = [...rows.values()];
      try {
        await this.#init.write(writes);
      } catch (error) {
        this.#fail(error, batch);
        return;
      }
      for (const write of writes) this.#init.onDurable(write);
      for (const commit of batch) commit.resolve();
    }
    this.#running = false;
    this.#schedule();
  };

  #takeBatch(): Commit[] {
    let rows = 0;
    let length = 0;
    let count = 0;
    for (const commit of this.#queue) {
      rows += commit.writes.size;
      length += commit.length;
      if (count > 0 && (rows > BATCH_ROWS || length > BATCH_LENGTH)) break;
      this.#queuedLength -= commit.length;
      if (!commit.relaxed) this.#awaited--;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  #fail(cause: unknown, batch: Commit[]): void {
    const failure = writeFailed(cause);
    this.#refusal = failure;
    const lost = [...batch, ...this.#queue];
    this.#queue = [];
    this.#awaited = 0;
    for (const commit of lost) commit.reject(failure);
    this.#init.onFailure(failure);
  }
}

function lengthOf(writes: Map<string, Write>): number {
  let length = 0;
  for (const [key, write] of writes) length += key.length + (write.type === 'put' ? write.value.length : 0);
  return length;
}
