import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { Clock } from '../lib/clock.ts';
import { keyspace } from './keyspaces.ts';
import type { CapsuleRow, CapsuleStatus, CapsuleStore, Database, ListFilter, Page, PruneOptions, Reader, StoredResult, Transaction } from './types.ts';

const capsules = keyspace<Capsule>('capsules');
const rows = keyspace<CapsuleRow<never>>('records');
const results = keyspace<StoredResult>('results');

export class DatabaseCapsuleStore<Life = unknown> implements CapsuleStore<Life> {
  readonly #db: Database;
  readonly ended = { has: () => false, refuses: () => false };
  constructor({ db }: { db: Database; clock: Clock }) {
    this.#db = db;
  }
  add(tx: Transaction, capsule: Capsule, row: CapsuleRow<Life>): boolean {
    if (tx.get(rows, capsule.id) !== undefined) return false;
    tx.put(capsules, capsule.id, capsule);
    tx.put(rows, row.id, row as never);
    return true;
  }
  put(tx: Transaction, row: CapsuleRow<Life>): void {
    tx.put(rows, row.id, row as never);
  }
  get(id: string) {
    return this.#db.get(capsules, id);
  }
  row(id: string, reader: Reader = this.#db): CapsuleRow<Life> | undefined {
    return reader.get(rows, id);
  }
  putResult(tx: Transaction, id: string, result: StoredResult): void {
    tx.put(results, id, result);
  }
  result(id: string, reader: Reader = this.#db) {
    return reader.get(results, id);
  }
  async list(_filter: ListFilter): Promise<Page<CapsuleRow<Life>>> {
    const items: CapsuleRow<Life>[] = [];
    for await (const [, row] of this.#db.scan(rows, {})) items.push(row);
    return { items, cursor: null };
  }
  async listRoots(): Promise<Page<CapsuleRow<Life>>> {
    const { items } = await this.list({});
    return { items: items.filter(({ parentCapsule }) => parentCapsule === null), cursor: null };
  }
  async *open(): AsyncGenerator<CapsuleRow<Life>> {
    for await (const [, row] of this.#db.scan(rows, {})) if ((row as CapsuleRow).open) yield row;
  }
  async counts() {
    const counts: Record<CapsuleStatus, number> = { pending: 0, announced: 0, executing: 0, completed: 0, failed: 0 };
    for await (const [, row] of this.#db.scan(rows, {})) counts[(row as CapsuleRow).status]++;
    return counts;
  }
  remove(tx: Transaction, id: string): void {
    for (const space of [capsules, rows, results]) tx.delete(space, id);
  }
  async prune(_options: PruneOptions) {
    return 0;
  }
}
