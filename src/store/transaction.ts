import { MeshError } from '../lib/errors.ts';
import type { Write } from './disk.ts';
import type { CommitOptions, Keyspace, Transaction } from './types.ts';

/** What a transaction needs of the database under it: raw JSON by full key. */
export interface TransactionHost {
  read(key: string): string | undefined;
  /** Counts commits, so that a transaction can tell whether anybody wrote since it began. */
  generation(): number;
  apply(writes: Map<string, Write>, options: CommitOptions): Promise<void>;
}

/** Staged writes, and what was read, so that a commit after somebody else changed what it read is refused. */
export class StagedTransaction implements Transaction {
  readonly #host: TransactionHost;
  readonly #generation: number;
  readonly #writes = new Map<string, Write>();
  readonly #reads = new Map<string, string | undefined>();
  readonly #listeners: (() => void)[] = [];
  #committed = false;

  constructor(host: TransactionHost) {
    this.#host = host;
    this.#generation = host.generation();
  }

  get<T>(space: Keyspace<T>, key: string): T | undefined {
    const full = fullKey(space, key);
    const write = this.#writes.get(full);
    if (write !== undefined) return write.type === 'put' ? decode(write.value) : undefined;
    const raw = this.#host.read(full);
    if (!this.#reads.has(full)) this.#reads.set(full, raw);
    return raw === undefined ? undefined : decode(raw);
  }

  put<T>(space: Keyspace<T>, key: string, value: T): number {
    const json = JSON.stringify(value);
    if (json === undefined) throw new TypeError(`A value that is not JSON was put into ${space.name}.`);
    this.#stage({ type: 'put', key: fullKey(space, key), value: json });
    return json.length;
  }

  delete<T>(space: Keyspace<T>, key: string): void {
    this.#stage({ type: 'del', key: fullKey(space, key) });
  }

  async commit(options: CommitOptions = {}): Promise<void> {
    this.#assertOpen();
    this.#assertUnchanged();
    // Throws `busy` before anything is applied: the same transaction can be committed when the disk has caught up.
    const durable = this.#host.apply(this.#writes, options);
    this.#committed = true;
    for (const listener of this.#listeners) listener();
    await durable;
  }

  onApplied(listener: () => void): void {
    this.#assertOpen();
    this.#listeners.push(listener);
  }

  #stage(write: Write): void {
    this.#assertOpen();
    this.#writes.set(write.key, write);
  }

  #assertOpen(): void {
    if (this.#committed) throw new MeshError('internal', 'This transaction was committed already.');
  }

  #assertUnchanged(): void {
    if (this.#host.generation() === this.#generation) return;
    for (const [key, raw] of this.#reads) {
      if (this.#host.read(key) !== raw) {
        throw new MeshError('conflict', 'Another transaction changed what this one had read.');
      }
    }
  }
}

/** Characters of `keyspacePrefix`. */
export const KEYSPACE_PREFIX = 2;

/** The prefix `<id as two hex digits>` keeps every keyspace one contiguous range of keys. */
export function keyspacePrefix(id: number): string {
  return id.toString(16).padStart(KEYSPACE_PREFIX, '0');
}

export function fullKey(space: Keyspace<unknown>, key: string): string {
  // Lone surrogates have no UTF-8: different keys would become one.
  if (!key.isWellFormed()) throw new MeshError('invalid_request', 'A key must be well-formed Unicode.');
  return keyspacePrefix(space.id) + key;
}

export function decode<T>(raw: string): T {
  try {
    return JSON.parse(raw);
  } catch (error) {
    throw new MeshError('storage_failed', 'A row of the store is damaged.', undefined, { cause: error });
  }
}
