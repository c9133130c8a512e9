import type { AgeClock } from './age-clock.ts';
import { keyspace } from './keyspaces.ts';
import type { SeenIds } from './seen-ids.ts';
import type { CapsuleRow, Database, EndedIds, Reader, Transaction } from './types.ts';

/** Strangers' ids kept: some 20 MB on the disk. Others are bounded by their expiry alone. */
const STRANGERS_KEPT = 200_000;
/** Share of these that is left when the oldest go, so that they do not go one by one. */
const LEFT = 0.75;
/** Ids looked at in one step of a sweep, and in one transaction at most removed. */
const STEP = 1_000;

/** `[expires at]`, and for a stranger's `[expires at, timestamp]`. */
type EndedRow = [expiresAt: number, timestamp?: number];

const endedIds = keyspace<EndedRow>('endedIds');
const meta = keyspace<number>('meta');
const FLOOR_KEY = 'ended-floor';

export interface DatabaseEndedIdsComponents {
  db: Database;
  age: AgeClock;
  /** Every id that is removed has been seen. */
  seen: SeenIds;
}

/** A row of a few bytes for each capsule that was removed before its expiry. */
export class DatabaseEndedIds implements EndedIds {
  readonly #db: Database;
  readonly #age: AgeClock;
  readonly #strangersKept: number;
  /** Timestamp up to which strangers' ids may have been forgotten. */
  #floor: number;
  readonly #seen: SeenIds;
  /** Since every id was seen that an earlier life remembered. */
  #swept = false;
  /** Strangers' ids; too low until the first sweep has counted those of an earlier life. */
  #strangers = 0;

  constructor({ db, age, seen }: DatabaseEndedIdsComponents, { strangersKept = STRANGERS_KEPT } = {}) {
    this.#db = db;
    this.#age = age;
    this.#strangersKept = strangersKept;
    this.#seen = seen;
    this.#floor = db.get(meta, FLOOR_KEY) ?? 0;
    db.assumeAbsent(endedIds, (id) => !this.#swept || seen.has(id));
  }

  remember(
    tx: Transaction,
    { id, timestamp, expiresAt, share }: Pick<CapsuleRow, 'id' | 'timestamp' | 'expiresAt' | 'share'>,
  ): void {
    if (expiresAt <= this.#age.now()) {
      this.#age.keep(tx);
    } else if (share !== 'stranger') {
      tx.put(endedIds, id, [expiresAt]);
    } else if (this.#strangers < 2 * this.#strangersKept) {
      tx.put(endedIds, id, [expiresAt, timestamp]);
      tx.onApplied(() => this.#strangers++);
    } else {
      // Sweeps do not keep up.
      this.#raiseFloor(tx, timestamp);
    }
  }

  has(id: string, reader: Reader = this.#db): boolean {
    return reader.get(endedIds, id) !== undefined;
  }

  refuses(timestamp: number): boolean {
    return timestamp <= this.#floor;
  }

  /** Whether strangers have more than they are to keep, and a sweep is due at once. */
  get isFull(): boolean {
    return this.#strangers > this.#strangersKept;
  }

  /** Removes the ids of what has expired and, where strangers have too many, their oldest. */
  async sweep(): Promise<void> {
    const timestamps: number[] = [];
    const now = this.#age.now();
    await this.#walk(([expiresAt, timestamp]) => {
      if (expiresAt <= now) return true;
      if (timestamp !== undefined) timestamps.push(timestamp);
      return false;
    });
    this.#swept = true;
    this.#strangers = timestamps.length;
    if (!this.isFull) return;
    timestamps.sort((a, b) => a - b);
    const floor = timestamps[timestamps.length - Math.floor(this.#strangersKept * LEFT) - 1] ?? 0;
    // Durable before the first of them goes.
    const tx = this.#db.transaction();
    this.#raiseFloor(tx, floor);
    await tx.commit();
    let gone = 0;
    await this.#walk(([, timestamp]) => {
      const goes = timestamp !== undefined && timestamp <= floor;
      if (goes) gone++;
      return goes;
    });
    this.#strangers -= gone;
  }

  async #walk(goes: (row: EndedRow) => boolean): Promise<void> {
    let last: string | undefined;
    for (;;) {
      let seen = 0;
      const due: string[] = [];
      const from = last === undefined ? {} : { gt: last };
      for await (const pairs of this.#db.scanMany(endedIds, { ...from, limit: STEP })) {
        seen += pairs.length;
        last = pairs.at(-1)?.[0] ?? last;
        for (const [id, row] of pairs) {
          if (!this.#swept) this.#seen.add(id);
          if (goes(row)) due.push(id);
        }
      }
      await this.#forget(due);
      if (seen < STEP) return;
    }
  }

  async #forget(ids: string[]): Promise<void> {
    if (ids.length === 0) return;
    const tx = this.#db.transaction();
    for (const id of ids) tx.delete(endedIds, id);
    this.#age.keep(tx);
    await tx.commit();
  }

  #raiseFloor(tx: Transaction, timestamp: number): void {
    if (timestamp <= this.#floor) return;
    tx.put(meta, FLOOR_KEY, timestamp);
    tx.onApplied(() => {
      this.#floor = Math.max(this.#floor, timestamp);
    });
  }
}
