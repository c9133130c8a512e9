import { MeshError } from '../lib/errors.ts';
import type { Write } from './disk.ts';

/** Rows in one batch: above this a batch takes so long that the commits behind it notice. */
const BATCH_ROWS = 4_096;
/** Characters in one batch; a single larger commit still goes, alone. */
const BATCH_LENGTH = 4 * 1_048_576;
/** Characters waiting for the disk; a disk this far behind must slow its callers, not fill the memory. */
const QUEUED_LENGTH = 128 * 1_048_576;

interface Commit {
  writes: Map<string, Write>;
  length: number;
  resolve: () => void;
  reject: (error: MeshError) => void;
}

export interface GroupCommitInit {
  write: (writes: Write[]) => Promise<void>;
  /** Called for each write that is on the disk, before its commit resolves. */
  onDurable: (write: Write) => void;
  /** Called once. */
  onFailure: (error: MeshError) => void;
}

/**
 * One synced write carries every commit that arrived while the one before was on its way. Order is kept; a row that
 * several commits of a batch wrote is written once, as the last of them left it.
 */
export class GroupCommit {
  readonly #init: GroupCommitInit;
  #queue: Commit[] = [];
  #queuedLength = 0;
  #running = false;
  #refusal: MeshError | undefined;
  #tail: Promise<void> = Promise.resolve();

  constructor(init: GroupCommitInit) {
    this.#init = init;
  }

  /** Throws where nothing is accepted any more, or `busy`; else resolves when durable. */
  add(writes: Map<string, Write>): Promise<void> {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (this.#queuedLength > QUEUED_LENGTH) throw new MeshError('busy', 'The disk does not keep up.');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const length = lengthOf(writes);
    this.#queue.push({ writes, length, resolve, reject });
    this.#queuedLength += length;
    this.#tail = promise;
    if (!this.#running) {
      this.#running = true;
      // After all that is due in this tick, so that its commits share one batch.
      queueMicrotask(() => process.nextTick(this.#drain));
    }
    return promise;
  }

  flushed(): Promise<void> {
    return this.#tail;
  }

  /** Accepts nothing more; resolves when what was accepted is durable. */
  close(): Promise<void> {
    this.#refusal ??= new MeshError('storage_failed', 'The store is closed.');
    return this.#tail;
  }

  readonly #drain = async (): Promise<void> => {
    while (this.#queue.length > 0) {
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
      count++;
    }
    return this.#queue.splice(0, count);
  }

  #fail(cause: unknown, batch: Commit[]): void {
    const failure = new MeshError('storage_failed', 'The store could not be written.', undefined, { cause });
    this.#refusal = failure;
    const lost = [...batch, ...this.#queue];
    this.#queue = [];
    for (const commit of lost) commit.reject(failure);
    this.#init.onFailure(failure);
  }
}

function lengthOf(writes: Map<string, Write>): number {
  let length = 0;
  for (const [key, write] of writes) length += key.length + (write.type === 'put' ? write.value.length : 0);
  return length;
}
