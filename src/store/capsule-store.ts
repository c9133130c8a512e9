import { LRUCache } from 'lru-cache';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { Settlement } from '../../protocols/settlement/v1/schema.ts';
import { placeInChain } from '../capsule/roles.ts';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import { AgeClock } from './age-clock.ts';
import { capsulesByTime, idAt, type Mark, manyMarks, markOf, placeOf } from './capsule-index.ts';
import { CapsuleLists } from './capsule-lists.ts';
import { Census, countedOf } from './census.ts';
import { DatabaseEndedIds } from './ended-ids.ts';
import { keyspace } from './keyspaces.ts';
import { isOpen, isTerminal } from './lifecycle.ts';
import { pruneCapsules } from './prune.ts';
import { SeenIds } from './seen-ids.ts';
import type {
  CapsuleRow,
  CapsuleStatus,
  CapsuleStore,
  Database,
  ListFilter,
  Page,
  PruneOptions,
  Reader,
  Share,
  StoredResult,
  Transaction,
  Usage,
} from './types.ts';

const capsules = keyspace<Capsule>('capsules');
const results = keyspace<StoredResult>('capsuleResults');
const settlements = keyspace<Settlement>('settlements');
/** Other parts' rows that mean nothing without the capsule. */
const decisions = keyspace<unknown>('decisions');
const childProofs = keyspace<unknown>('childProofs');
const capsulePrincipals = keyspace<unknown>('capsulePrincipals');

/** Characters as JSON. */
const NEWEST_RESULTS_LENGTH = 4 * 1_048_576;

export interface CapsuleStoreComponents {
  db: Database;
  clock: Clock;
}

/** Capsules in the node's database: one row of state each, one index, and a census in memory. */
export class DatabaseCapsuleStore<Life = unknown> implements CapsuleStore<Life> {
  readonly ended: DatabaseEndedIds;
  readonly #db: Database;
  readonly #age: AgeClock;
  readonly #census: Census;
  readonly #rows = keyspace<CapsuleRow<Life>>('capsuleRows');
  readonly #lists: CapsuleLists<Life>;
  /** Added in this life, without a result, and open, which bounds it. */
  readonly #unanswered = new Set<string>();

  /** Told to other nodes or read as a rule as soon as they are stored, and large: not to be parsed for that. */
  readonly #newestResults = new LRUCache<string, StoredResult>({ maxSize: NEWEST_RESULTS_LENGTH });
  /** Of every capsule that is stored or was removed. */
  readonly #seen: SeenIds;

  private constructor({ db, clock }: CapsuleStoreComponents, census: Census) {
    this.#db = db;
    this.#census = census;
    this.#age = new AgeClock({ db, clock });
    const seen = new SeenIds();
    this.#seen = seen;
    this.ended = new DatabaseEndedIds({ db, age: this.#age, seen });
    this.#lists = new CapsuleLists({ db, census, row: (id) => this.row(id) });
  }

  /** Counts what an earlier life stored. Nothing may be written beside it. */
  static async open<Life = unknown>(components: CapsuleStoreComponents): Promise<DatabaseCapsuleStore<Life>> {
    const census = new Census();
    const store = new DatabaseCapsuleStore<Life>(components, census);
    const count = (place: string, { share, ended }: Mark): void => {
      store.#seen.add(idAt(place));
      if (ended !== null) {
        const { status, bytes } = ended;
        census.change(null, { place, share, status, bytes, open: false });
        return;
      }
      const row = store.row(idAt(place));
      if (row === undefined) throw new MeshError('storage_failed', 'A capsule of the store has no row.');
      census.change(null, countedOf(row));
    };
    for await (const pairs of manyMarks(components.db, {})) {
      for (const [place, mark] of pairs) count(place, mark);
    }
    components.db.assumeAbsent(store.#rows, (id) => store.#seen.has(id));
    return store;
  }

  add(tx: Transaction, row: CapsuleRow<Life>): boolean {
    if (tx.get(this.#rows, row.id) !== undefined) return false;
    this.#seen.add(row.id);
    tx.put(this.#rows, row.id, row);
    tx.put(capsulesByTime, placeOf(row), markOf(row));
    this.#changes(tx, null, row);
    if (isOpen(row)) tx.onApplied(() => this.#unanswered.add(row.id));
    return true;
  }

  putCapsule(tx: Transaction, capsule: Capsule): number {
    return tx.put(capsules, capsule.id, capsule);
  }

  put(tx: Transaction, row: CapsuleRow<Life>, before: CapsuleRow<Life> = this.#existing(tx, row.id)): void {
    if (isTerminal(before.status) && row.status !== before.status && !runsAgain(before, row)) {
      const { id, status } = before;
      const message = `The capsule has ended (${status}) and cannot become ${row.status}.`;
      throw new MeshError('conflict', message, { id, from: status, to: row.status });
    }
    if (row.receivedAt !== before.receivedAt) {
      throw new MeshError('conflict', 'The time when a capsule was received cannot change.', { id: row.id });
    }
    tx.put(this.#rows, row.id, row);
    const mark = markOf(row);
    if (mark !== markOf(before)) tx.put(capsulesByTime, placeOf(row), mark);
    this.#changes(tx, before, row);
  }

  get(id: string): Capsule | undefined {
    return this.#db.get(capsules, id);
  }

  row(id: string, reader: Reader = this.#db): CapsuleRow<Life> | undefined {
    return reader.get(this.#rows, id);
  }

  putResult(tx: Transaction, id: string, result: StoredResult): number {
    const stored = this.#unanswered.has(id) ? undefined : tx.get(results, id);
    const done = stored?.receipt?.status === 'completed';
    if (done && stored.receipt?.receiptHash !== result.receipt?.receiptHash) {
      throw new MeshError('conflict', 'The capsule has another result already.', { id });
    }
    const length = tx.put(results, id, result);
    tx.onApplied(() => {
      this.#unanswered.delete(id);
      this.#newestResults.set(id, result, { size: length });
    });
    return length;
  }

  putSettlement(tx: Transaction, id: string, settlement: Settlement): void {
    this.#existing(tx, id);
    tx.put(settlements, id, settlement);
  }

  result(id: string, reader: Reader = this.#db): StoredResult | undefined {
    const newest = reader === this.#db ? this.#newestResults.get(id) : undefined;
    const stored = newest ?? reader.get(results, id);
    // What charges nothing is never settled.
    if (stored?.settlement !== null || stored.receipt?.charge == null) return stored;
    return { ...stored, settlement: reader.get(settlements, id) ?? null };
  }

  list(filter: ListFilter): Promise<Page<CapsuleRow<Life>>> {
    return this.#lists.list(filter);
  }

  listRoots(filter: { limit?: number; cursor?: string }): Promise<Page<CapsuleRow<Life>>> {
    return this.#lists.listRoots(filter);
  }

  async *open(): AsyncGenerator<CapsuleRow<Life>> {
    for (const place of this.#census.open()) {
      const row = this.row(idAt(place));
      if (row !== undefined && isOpen(row)) yield row;
    }
  }

  counts(): Record<CapsuleStatus, number> {
    return this.#census.counts();
  }

  usage(): Record<Share, Usage> {
    return this.#census.usage();
  }

  remove(tx: Transaction, id: string): void {
    const row = this.#existing(tx, id);
    if (isOpen(row)) {
      const message = `A capsule that is ${row.status} and not done with cannot be removed.`;
      throw new MeshError('conflict', message, { id });
    }
    const capsule = tx.get(capsules, id);
    if (capsule?.signer !== undefined) tx.delete(childProofs, placeInChain(row.root, capsule));
    for (const space of [capsules, this.#rows, results]) tx.delete<unknown>(space, id);
    for (const space of [settlements, decisions, capsulePrincipals]) {
      if (tx.get<unknown>(space, id) !== undefined) tx.delete<unknown>(space, id);
    }
    tx.delete(capsulesByTime, placeOf(row));
    tx.onApplied(() => this.#newestResults.delete(id));
    this.ended.remember(tx, row);
    this.#changes(tx, row, null);
  }

  async prune(options: PruneOptions): Promise<number> {
    const removed = async (): Promise<void> => {
      if (this.ended.isFull) await this.ended.sweep();
    };
    const components = { db: this.#db, census: this.#census, store: this, removed };
    const count = await pruneCapsules(components, { ...options, now: this.ageNow() });
    await this.ended.sweep();
    const tx = this.#db.transaction();
    this.#age.keep(tx);
    await tx.commit();
    return count;
  }

  ageNow(): number {
    return this.#age.now();
  }

  #existing(tx: Transaction, id: string): CapsuleRow<Life> {
    const row = tx.get(this.#rows, id);
    if (row === undefined) throw new MeshError('not_found', 'No such capsule is stored here.', { id });
    return row;
  }

  #changes(tx: Transaction, before: CapsuleRow | null, after: CapsuleRow | null): void {
    const [from, to] = [before && countedOf(before), after && countedOf(after)];
    tx.onApplied(() => {
      this.#census.change(from, to);
      if (before !== null && to?.open !== true) this.#unanswered.delete(before.id);
    });
  }
}

/** A node that only executes shows how its own run ended; under another lease it may run what it failed at. */
function runsAgain(before: CapsuleRow, row: CapsuleRow): boolean {
  return before.status === 'failed' && row.status === 'executing';
}
