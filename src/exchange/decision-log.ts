import type { Decision } from '../market/types.ts';
import { keyspace } from '../store/keyspaces.ts';
import type { Database, Transaction } from '../store/types.ts';

/** Decisions kept for one capsule: the first says most, the newest explain the present. */
const KEPT_DECISIONS = 8;

const decisions = keyspace<Decision[]>('decisions');

/** Why a capsule went where it went; what `capsule explain` shows. */
export class DecisionLog {
  readonly #db: Database;

  constructor({ db }: { db: Database }) {
    this.#db = db;
  }

  add(tx: Transaction, decision: Decision): void {
    const known = tx.get(decisions, decision.capsuleId) ?? [];
    const last = known.at(-1);
    // While nobody is found the same emptiness is not noted again and again.
    if (last !== undefined && last.ranking.length === 0 && decision.ranking.length === 0) return;
    const [first, ...rest] = [...known, decision];
    tx.put(decisions, decision.capsuleId, [...(first ? [first] : []), ...rest.slice(1 - KEPT_DECISIONS)]);
  }

  of(capsuleId: string): Decision[] {
    return this.#db.get(decisions, capsuleId) ?? [];
  }
}
