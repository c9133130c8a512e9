import type { JsonValue } from '../../protocols/common/v1/schema.ts';
import { MeshError } from '../lib/errors.ts';
import type { Transaction } from '../store/types.ts';
import type { StorageApi } from './capability.ts';
import type { ModuleStorage, StagedValue, StorageUsage, StoredValue } from './module-storage.ts';
import type { PermissionUse } from './permission-use.ts';
import type { StorageLocks } from './storage-lock.ts';

/** Bounds of a capability's storage: it is for state and results, not for files. */
export const STORAGE_LIMITS = {
  keyChars: 512,
  valueBytes: 262_144,
  keysPerModule: 100_000,
  bytesPerModule: 1_073_741_824,
  /** Of one intent: its writes are held in memory until its receipt. */
  writesPerIntent: 1_024,
  writtenBytesPerIntent: 16_777_216,
  listDefault: 100,
  listMaximum: 1_000,
} as const;

export interface ScopedStorageComponents {
  storage: ModuleStorage;
  locks: StorageLocks;
  permissions: PermissionUse;
  signal: AbortSignal;
}

/** One intent's view of its module's storage: the stored values under its own writes (capability.ts `StorageApi`). */
export class ScopedStorage {
  readonly #storage: ModuleStorage;
  readonly #locks: StorageLocks;
  readonly #permissions: PermissionUse;
  readonly #signal: AbortSignal;
  readonly #module: string;
  readonly #staged = new Map<string, StagedValue>();
  #usage: StorageUsage = { keys: 0, bytes: 0 };
  #writtenBytes = 0;
  #entered: Promise<void> | undefined;
  #release: (() => void) | undefined;
  #closed = false;

  constructor(components: ScopedStorageComponents) {
    this.#storage = components.storage;
    this.#locks = components.locks;
    this.#permissions = components.permissions;
    this.#signal = components.signal;
    this.#module = components.permissions.moduleId;
  }

  /** What the capability sees. */
  readonly api: StorageApi = Object.freeze({
    get: async (key: string) => {
      await this.#use(key);
      return structuredClone(this.#current(key)?.value);
    },
    put: async (key: string, value: JsonValue) => {
      await this.#use(key);
      const next = this.#storage.describe(structuredClone(value));
      if (next.bytes > STORAGE_LIMITS.valueBytes) {
        throw new MeshError(
          'too_large',
          `A stored value may have ${STORAGE_LIMITS.valueBytes} bytes at most.`,
        );
      }
      this.#stage(key, next);
    },
    delete: async (key: string) => {
      await this.#use(key);
      this.#stage(key, null);
    },
    list: async (options: { prefix?: string; after?: string; limit?: number } = {}) => {
      await this.#use(options.prefix || 'any');
      const limit = Math.trunc(options.limit ?? STORAGE_LIMITS.listDefault);
      return this.#list(
        options.prefix ?? '',
        options.after,
        Math.min(Math.max(limit, 1), STORAGE_LIMITS.listMaximum),
      );
    },
  });

  /** Stages the writes in the batch of the receipt; gives the new digest of all storage, or null if untouched. */
  apply(tx: Transaction): string | null {
    return this.#staged.size === 0 ? null : this.#storage.apply(tx, this.#module, this.#staged);
  }

  /** Lets the next intent in. Called after the batch is committed or given up. */
  close(): void {
    this.#closed = true;
    this.#release?.();
  }

  async #use(key: string): Promise<void> {
    this.#permissions.use('storage');
    if (
      typeof key !== 'string' ||
      key === '' ||
      key.length > STORAGE_LIMITS.keyChars ||
      !key.isWellFormed()
    ) {
      throw new MeshError(
        'invalid_payload',
        `A storage key is text of 1 to ${STORAGE_LIMITS.keyChars} characters.`,
      );
    }
    this.#entered ??= this.#enter();
    await this.#entered;
    this.#permissions.assertRunning();
  }

  async #enter(): Promise<void> {
    const release = await this.#locks.acquire(this.#module, this.#signal);
    if (this.#closed) return release();
    this.#release = release;
    this.#usage = { ...this.#storage.usage(this.#module) };
  }

  #current(key: string): StoredValue | undefined {
    const staged = this.#staged.get(key);
    return staged === undefined ? this.#storage.get(this.#module, key) : (staged ?? undefined);
  }

  /** Synchronous from the look at the present value to the write, so that parallel puts of one intent add up. */
  #stage(key: string, next: StagedValue): void {
    const previous = this.#current(key);
    const keys = this.#usage.keys + (next === null ? 0 : 1) - (previous === undefined ? 0 : 1);
    const bytes = this.#usage.bytes + (next?.bytes ?? 0) - (previous?.bytes ?? 0);
    const written = this.#writtenBytes + (next?.bytes ?? 0);
    const full =
      (next !== null && (keys > STORAGE_LIMITS.keysPerModule || bytes > STORAGE_LIMITS.bytesPerModule)) ||
      written > STORAGE_LIMITS.writtenBytesPerIntent ||
      (this.#staged.size >= STORAGE_LIMITS.writesPerIntent && !this.#staged.has(key));
    if (full)
      throw new MeshError('too_large', `The storage of the module ${this.#module} has no room for this.`);
    this.#staged.set(key, next);
    this.#usage = { keys, bytes };
    this.#writtenBytes = written;
  }

  async #list(prefix: string, after: string | undefined, limit: number): Promise<string[]> {
    const found = [...this.#staged]
      .filter(([key, value]) => value !== null && key.startsWith(prefix) && isAfter(key, after))
      .map(([key]) => key);
    let stored = 0;
    for await (const key of this.#storage.keys(this.#module, { prefix, after })) {
      if (this.#staged.has(key)) continue;
      found.push(key);
      if (++stored === limit) break;
    }
    return found.sort(compareUtf8).slice(0, limit);
  }
}

function isAfter(key: string, after: string | undefined): boolean {
  return after === undefined || compareUtf8(key, after) > 0;
}

function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
