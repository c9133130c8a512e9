import type { JsonValue } from '../../protocols/common/v1/schema.ts';
import { throwIfAborted } from '../lib/abort.ts';
import type { Crypto } from '../lib/crypto.ts';
import { canonicalJson } from '../lib/json.ts';
import { keyspace } from '../store/keyspaces.ts';
import type { Database, Transaction } from '../store/types.ts';
import { SetHash } from './set-hash.ts';

/** One value of a capability's storage; the hash and size save reading it again when it is replaced. */
export interface StoredValue {
  value: JsonValue;
  /** SHA-256 of the canonical form. */
  hash: string;
  /** UTF-8 bytes of the canonical form. */
  bytes: number;
}

/** What an intent did to one key: a value, or null for a deletion. */
export type StagedValue = StoredValue | null;

/** Keys and bytes that one module holds. */
export interface StorageUsage {
  keys: number;
  bytes: number;
}

/** By `<module>:<key>`; module ids hold no colon. */
const values = keyspace<StoredValue>('capabilityStorage');
const usages = keyspace<StorageUsage>('state');

/** No module's key: starts with a colon. Lies among the values so that one scan sees both at the same moment. */
const SET_HASH_KEY = ':set-hash';
const NO_USAGE: StorageUsage = { keys: 0, bytes: 0 };

/** The storage of every module, with an incremental hash over all of it (protocol "Receipt", state root). */
export class ModuleStorage {
  readonly #db: Database;
  readonly #crypto: Pick<Crypto, 'sha256Hex'>;

  constructor(components: { db: Database; crypto: Pick<Crypto, 'sha256Hex'> }) {
    this.#db = components.db;
    this.#crypto = components.crypto;
  }

  get(module: string, key: string): StoredValue | undefined {
    return this.#db.get(values, `${module}:${key}`);
  }

  usage(module: string): StorageUsage {
    return this.#db.get(usages, usageKey(module)) ?? NO_USAGE;
  }

  /** Keys in the order of their UTF-8 bytes that begin with `prefix` and come after `after`. */
  async *keys(
    module: string,
    options: { prefix: string; after: string | undefined },
  ): AsyncGenerator<string> {
    const start = module.length + 1;
    const { prefix, after } = options;
    const range =
      after !== undefined && Buffer.compare(Buffer.from(after), Buffer.from(prefix)) >= 0
        ? { gt: `${module}:${after}` }
        : { gte: `${module}:${prefix}` };
    for await (const [full] of this.#db.scan(values, { ...range, lt: `${module};` })) {
      const key = full.slice(start);
      if (!key.startsWith(prefix)) return;
      yield key;
    }
  }

  describe(value: JsonValue): StoredValue {
    const canonical = canonicalJson(value);
    return { value, hash: this.#crypto.sha256Hex(canonical), bytes: Buffer.byteLength(canonical) };
  }

  /** Stages what an intent wrote, and gives the digest of all storage after it. */
  apply(tx: Transaction, module: string, writes: ReadonlyMap<string, StagedValue>): string {
    const set = new SetHash(stateOf(tx.get(values, SET_HASH_KEY)));
    let { keys, bytes } = tx.get(usages, usageKey(module)) ?? NO_USAGE;
    for (const [key, next] of writes) {
      const full = `${module}:${key}`;
      const previous = tx.get(values, full);
      if (previous !== undefined) {
        set.remove(element(module, key, previous.hash));
        keys--;
        bytes -= previous.bytes;
      }
      if (next === null) {
        tx.delete(values, full);
        continue;
      }
      set.add(element(module, key, next.hash));
      keys++;
      bytes += next.bytes;
      tx.put(values, full, next);
    }
    const digest = set.digest();
    tx.put(values, SET_HASH_KEY, { value: set.toString(), hash: digest, bytes: 0 });
    tx.put(usages, usageKey(module), { keys, bytes });
    return digest;
  }

  /** The digest of all storage, as it was recorded with the last change. */
  digest(): string {
    return new SetHash(stateOf(this.#db.get(values, SET_HASH_KEY))).digest();
  }

  /** Reads all of it, as of one moment, and gives the digest that the contents have, and what does not fit. */
  async audit(signal?: AbortSignal): Promise<{ digest: string; problems: string[] }> {
    const set = new SetHash();
    const problems: string[] = [];
    let recorded = emptyStorageDigest();
    for await (const [full, { value, hash }] of this.#db.scan(values, {})) {
      throwIfAborted(signal);
      if (full === SET_HASH_KEY) {
        recorded = new SetHash(stateOf({ value })).digest();
        continue;
      }
      const separator = full.indexOf(':');
      const [module, key] = [full.slice(0, separator), full.slice(separator + 1)];
      const found = this.#crypto.sha256Hex(canonicalJson(value));
      if (found !== hash) problems.push(`the value of ${JSON.stringify(key)} in ${module} was changed`);
      set.add(element(module, key, found));
    }
    const digest = set.digest();
    if (digest !== recorded) problems.push('the storage of the capabilities is not what its hash says');
    return { digest, problems: problems.slice(0, 100) };
  }
}

export function emptyStorageDigest(): string {
  return new SetHash().digest();
}

function element(module: string, key: string, valueHash: string): string {
  return `${module}\0${key}\0${valueHash}`;
}

function usageKey(module: string): string {
  return `storage-usage:${module}`;
}

function stateOf(record: Pick<StoredValue, 'value'> | undefined): string | undefined {
  return typeof record?.value === 'string' ? record.value : undefined;
}
