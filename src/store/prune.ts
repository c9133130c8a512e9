import { readCounts } from './capsule-counts.ts';
import { endedPositions, idAt } from './capsule-index.ts';
import { keyspace } from './keyspaces.ts';
import { isTerminal, TERMINAL_STATUSES } from './lifecycle.ts';
import type { CapsuleRecord, CapsuleStatus, CapsuleStore, Database, PruneOptions } from './types.ts';

/** Capsules removed in one transaction: others' commits wait no longer than for one such batch. */
const REMOVED_PER_BATCH = 200;

const outbox = keyspace<unknown>('outbox');

/**
 * Removes what ended longer than `maxAgeMs` ago, and of the rest the oldest beyond `maxCount`. `keepStatuses` are
 * neither removed nor counted; a result that waits for its delivery is kept.
 */
export async function pruneCapsules(
  { db, store }: { db: Database; store: Pick<CapsuleStore, 'record' | 'remove'> },
  { maxAgeMs, maxCount = Number.POSITIVE_INFINITY, keepStatuses = [], now }: PruneOptions & { now: number },
): Promise<number> {
  const endedBefore = maxAgeMs === undefined ? Number.NEGATIVE_INFINITY : now - maxAgeMs;
  let removed = 0;
  let due: string[] = [];
  for await (const place of endedPositions(db, keepStatuses)) {
    const record = store.record(idAt(place));
    if (record === undefined || !removable(db, record)) continue;
    const surplus = countEnded(db, keepStatuses) - due.length > maxCount;
    // Nothing that was received later can have ended earlier than that.
    if (!surplus && record.receivedAt >= endedBefore) break;
    if (!surplus && record.updatedAt >= endedBefore) continue;
    due.push(record.id);
    if (due.length === REMOVED_PER_BATCH) {
      removed += await removeAll(db, store, due);
      due = [];
    }
  }
  return removed + (await removeAll(db, store, due));
}

async function removeAll(
  db: Database,
  store: Pick<CapsuleStore, 'record' | 'remove'>,
  ids: string[],
): Promise<number> {
  const tx = db.transaction();
  let removed = 0;
  for (const id of ids) {
    const record = store.record(id, tx);
    // Another prune, or a delivery that was queued, may have come between.
    if (record === undefined || !removable(db, record)) continue;
    store.remove(tx, id);
    removed++;
  }
  await tx.commit();
  return removed;
}

function countEnded(db: Database, except: readonly CapsuleStatus[]): number {
  const counts = readCounts(db);
  let ended = 0;
  for (const status of TERMINAL_STATUSES) if (!except.includes(status)) ended += counts[status];
  return ended;
}

function removable(db: Database, record: CapsuleRecord): boolean {
  return isTerminal(record.status) && db.get(outbox, record.id) === undefined;
}
