import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import { type CapsuleCounts, count, readCounts } from './capsule-counts.ts';
import {
  addToIndexes,
  assertCursor,
  candidates,
  idAt,
  moveStatus,
  position,
  removeFromIndexes,
  roots,
  unfinishedPositions,
} from './capsule-index.ts';
import { keyspace } from './keyspaces.ts';
import { assertArrow, assertOpen, isTerminal } from './lifecycle.ts';
import { pruneCapsules } from './prune.ts';
import type {
  CapsuleRecord,
  CapsuleStatus,
  CapsuleStore,
  Database,
  ListFilter,
  Page,
  PruneOptions,
  Reader,
  RecordPatch,
  StoredResult,
  Transaction,
} from './types.ts';

/** A capsule that is offered again and again must not grow its record: the first entry and the newest are kept. */
const HISTORY_ENTRIES = 32;
const DEFAULT_PAGE = 50;
const LARGEST_PAGE = 500;
/** Records looked at for one page: a filter that almost nothing matches gives a short page, not a long wait. */
const EXAMINED_PER_PAGE = 5_000;

const capsules = keyspace<Capsule>('capsules');
const records = keyspace<CapsuleRecord>('records');
const results = keyspace<StoredResult>('results');
const outbox = keyspace<unknown>('outbox');
/** Other parts' rows that mean nothing without the capsule. */
const dependents = [keyspace('decisions'), keyspace('leases')];

export interface CapsuleStoreComponents {
  db: Database;
  clock: Clock;
}

/** Capsules in the node's database, with lifecycle, indexes and counts kept in the caller's transaction. */
export class DatabaseCapsuleStore implements CapsuleStore {
  readonly #db: Database;
  readonly #clock: Clock;

  constructor({ db, clock }: CapsuleStoreComponents) {
    this.#db = db;
    this.#clock = clock;
  }

  add(tx: Transaction, capsule: Capsule, record: CapsuleRecord): boolean {
    if (tx.get(records, capsule.id) !== undefined) return false;
    const history =
      record.history.length > 0 ? record.history : [{ at: record.receivedAt, status: record.status }];
    tx.put(capsules, capsule.id, capsule);
    tx.put(records, capsule.id, { ...record, history });
    addToIndexes(tx, record);
    count(tx, null, record.status);
    return true;
  }

  get(id: string): Capsule | undefined {
    return this.#db.get(capsules, id);
  }

  record(id: string, reader: Reader = this.#db): CapsuleRecord | undefined {
    return reader.get(records, id);
  }

  setStatus(tx: Transaction, id: string, status: CapsuleStatus, patch: RecordPatch = {}): CapsuleRecord {
    const record = existing(tx, id);
    assertArrow(id, record.status, status);
    moveStatus(tx, record, status);
    count(tx, record.status, status);
    return this.#write(tx, { ...record, status }, patch, true);
  }

  update(tx: Transaction, id: string, patch: RecordPatch): CapsuleRecord {
    const record = existing(tx, id);
    assertOpen(id, record.status);
    return this.#write(tx, record, patch, patch.note !== undefined);
  }

  putResult(tx: Transaction, id: string, result: StoredResult): void {
    existing(tx, id);
    const stored = tx.get(results, id);
    if (stored !== undefined && stored.receipt?.receiptHash !== result.receipt?.receiptHash) {
      throw new MeshError('conflict', 'The capsule has another result already.', { id });
    }
    tx.put(results, id, result);
  }

  result(id: string, reader: Reader = this.#db): StoredResult | undefined {
    return reader.get(results, id);
  }

  async list(filter: ListFilter): Promise<Page<CapsuleRecord>> {
    if (filter.cursor !== undefined) assertCursor(filter.cursor);
    const places = candidates(this.#db, filter, EXAMINED_PER_PAGE);
    return this.#page(places, filter.limit, (record) => matches(record, filter));
  }

  async listRoots({ limit, cursor }: { limit?: number; cursor?: string }): Promise<Page<CapsuleRecord>> {
    if (cursor !== undefined) assertCursor(cursor);
    return this.#page(roots(this.#db, cursor, EXAMINED_PER_PAGE), limit, () => true);
  }

  async *unfinished(): AsyncGenerator<CapsuleRecord> {
    for await (const place of unfinishedPositions(this.#db)) {
      const record = this.record(idAt(place));
      if (record !== undefined && !isTerminal(record.status)) yield record;
    }
  }

  async counts(): Promise<CapsuleCounts> {
    return readCounts(this.#db);
  }

  remove(tx: Transaction, id: string): void {
    const record = existing(tx, id);
    if (!isTerminal(record.status)) {
      throw new MeshError('conflict', `A capsule that is ${record.status} cannot be removed.`, { id });
    }
    if (tx.get(outbox, id) !== undefined) {
      throw new MeshError('conflict', 'The result of the capsule was not delivered yet.', { id });
    }
    for (const space of [capsules, records, results, ...dependents]) tx.delete(space, id);
    removeFromIndexes(tx, record);
    count(tx, record.status, null);
  }

  prune(options: PruneOptions): Promise<number> {
    return pruneCapsules({ db: this.#db, store: this }, { ...options, now: this.#clock.now() });
  }

  #write(tx: Transaction, record: CapsuleRecord, patch: RecordPatch, remembered: boolean): CapsuleRecord {
    const { note, ...fields } = patch;
    const at = this.#clock.now();
    const entry = { at, status: record.status, ...(note !== undefined && { note }) };
    const history = remembered ? bounded([...record.history, entry]) : record.history;
    const next = { ...record, ...fields, updatedAt: at, history };
    tx.put(records, record.id, next);
    return next;
  }

  async #page(
    places: AsyncIterable<string>,
    limit: number | undefined,
    wanted: (record: CapsuleRecord) => boolean,
  ): Promise<Page<CapsuleRecord>> {
    const size = Math.min(Math.max(1, limit ?? DEFAULT_PAGE), LARGEST_PAGE);
    const items: CapsuleRecord[] = [];
    let examined = 0;
    for await (const place of places) {
      examined++;
      const record = this.record(idAt(place));
      const last = items.at(-1);
      if (record !== undefined && wanted(record)) {
        // One more than fits was found, so this page is not the last.
        if (items.length === size && last !== undefined) return { items, cursor: position(last) };
        items.push(record);
      }
      if (examined === EXAMINED_PER_PAGE) return { items, cursor: place };
    }
    return { items, cursor: null };
  }
}

function existing(tx: Transaction, id: string): CapsuleRecord {
  const record = tx.get(records, id);
  if (record === undefined) throw new MeshError('not_found', 'No such capsule is stored here.', { id });
  return record;
}

function bounded<T>(history: T[]): T[] {
  return history.length <= HISTORY_ENTRIES
    ? history
    : [...history.slice(0, 1), ...history.slice(1 - HISTORY_ENTRIES)];
}

function matches(record: CapsuleRecord, filter: ListFilter): boolean {
  return (
    (filter.status === undefined || record.status === filter.status) &&
    (filter.requestedCapability === undefined || record.requestedCapability === filter.requestedCapability) &&
    (filter.originIdentity === undefined || record.originIdentity === filter.originIdentity) &&
    (filter.root === undefined || record.root === filter.root) &&
    (filter.parentCapsule === undefined || record.parentCapsule === filter.parentCapsule)
  );
}
