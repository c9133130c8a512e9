import { idAt, type Mark, marks, receivedAtOf } from './capsule-index.ts';
import type { Census } from './census.ts';
import { isOpen, TERMINAL_STATUSES } from './lifecycle.ts';
import type { CapsuleStore, Database, PruneOptions, Share, TerminalStatus } from './types.ts';

/** Capsules removed in one transaction: others' commits wait no longer than for one such batch. */
const REMOVED_PER_BATCH = 200;
/** ms that what strangers ordered is kept after it ended: long enough for its result to be asked for again. */
const STRANGER_MAX_AGE_MS = 3_600_000;
/** Whoever is dearer to the operator goes later. */
const ORDER: readonly Share[] = ['stranger', 'known', 'own'];

export interface PruneComponents {
  db: Database;
  census: Census;
  store: Pick<CapsuleStore, 'row' | 'remove'>;
  /** Called between two batches. */
  removed: () => Promise<void>;
}

/** Removes what `PruneOptions` say, judged by the marks of the index. Gives how many. */
export async function pruneCapsules(
  components: PruneComponents,
  options: PruneOptions & { now: number },
): Promise<number> {
  let removed = 0;
  for (const share of ORDER) removed += await pruneShare(components, options, share);
  return removed;
}

async function pruneShare(
  { db, census, store, removed: afterBatch }: PruneComponents,
  options: PruneOptions & { now: number },
  share: Share,
): Promise<number> {
  const { maxCount = Number.POSITIVE_INFINITY, keepStatuses = [], maxBytes = {}, now } = options;
  const statuses = TERMINAL_STATUSES.filter((status) => !keepStatuses.includes(status));
  const mostBytes = maxBytes[share] ?? Number.POSITIVE_INFINITY;
  const endedBefore = now - maxAgeOf(options, share);
  if (census.usage()[share].capsules === 0) return 0;

  let removed = 0;
  let due: string[] = [];
  let dueBytes = 0;
  const removeDue = async (): Promise<void> => {
    removed += await removeAll(db, store, due);
    [due, dueBytes] = [[], 0];
    await afterBatch();
  };
  for await (const [place, mark] of marks(db, {})) {
    const surplus =
      census.closed(statuses) - due.length > maxCount || census.usage()[share].bytes - dueBytes > mostBytes;
    // Nothing that was received later can have ended earlier than that.
    if (!surplus && receivedAtOf(place) >= endedBefore) break;
    const { ended } = mark;
    if (ended === null || !mayGo(mark, share, statuses) || (!surplus && ended.at >= endedBefore)) continue;
    due.push(idAt(place));
    dueBytes += ended.bytes;
    if (due.length === REMOVED_PER_BATCH) await removeDue();
  }
  if (due.length > 0) await removeDue();
  return removed;
}

function mayGo({ share, ended }: Mark, wanted: Share, statuses: readonly TerminalStatus[]): boolean {
  return share === wanted && ended !== null && statuses.includes(ended.status);
}

function maxAgeOf(
  { maxAgeMs = Number.POSITIVE_INFINITY, strangerMaxAgeMs }: PruneOptions,
  share: Share,
): number {
  return share === 'stranger' ? Math.min(maxAgeMs, strangerMaxAgeMs ?? STRANGER_MAX_AGE_MS) : maxAgeMs;
}

async function removeAll(
  db: Database,
  store: Pick<CapsuleStore, 'row' | 'remove'>,
  ids: string[],
): Promise<number> {
  const tx = db.transaction();
  let removed = 0;
  for (const id of ids) {
    const row = store.row(id, tx);
    // Another prune, or a delivery that is owed again, may have come between.
    if (row === undefined || isOpen(row)) continue;
    store.remove(tx, id);
    removed++;
  }
  await tx.commit();
  return removed;
}
