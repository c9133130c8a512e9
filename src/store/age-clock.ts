import type { Clock } from '../lib/clock.ts';
import { keyspace } from './keyspaces.ts';
import type { Reader, Transaction } from './types.ts';

const meta = keyspace<number>('meta');
const MARK_KEY = 'clock-mark';
/**
 * ms by which a wall clock may be behind the highest time that was seen. One that is further behind was put right after it
 * had been wrong: then its time counts again, or nothing would be young enough for as long as it was wrong.
 */
const FURTHEST_BEHIND_MS = 24 * 3_600_000;

/** Time for judging ages: that of the wall clock, or the highest that was seen, which is kept over a restart. */
export class AgeClock {
  readonly #clock: Clock;
  #mark: number;

  constructor({ db, clock }: { db: Reader; clock: Clock }) {
    this.#clock = clock;
    this.#mark = db.get(meta, MARK_KEY) ?? 0;
  }

  now(): number {
    const now = this.#clock.now();
    if (now > this.#mark || now < this.#mark - FURTHEST_BEHIND_MS) this.#mark = now;
    return this.#mark;
  }

  /** Keeps the time in a transaction that removes something for its age: a next life must not think it young again. */
  keep(tx: Transaction): void {
    tx.put(meta, MARK_KEY, this.now());
  }
}
