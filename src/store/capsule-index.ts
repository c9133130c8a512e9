import { MeshError } from '../lib/errors.ts';
import { type KeyspaceName, keyspace } from './keyspaces.ts';
import { OPEN_STATUSES, TERMINAL_STATUSES } from './lifecycle.ts';
import type { CapsuleRecord, CapsuleStatus, Database, Keyspace, ListFilter, Transaction } from './types.ts';

/** Index rows carry everything in their keys. */
type Row = Keyspace<0>;
const index = (name: KeyspaceName): Row => keyspace<0>(name);

const byTime = index('capsulesByTime');
const byStatus = index('capsulesByStatus');
const byCapability = index('capsulesByCapability');
const byRoot = index('capsulesByRoot');
const byParent = index('capsulesByParent');

/** Digits of the largest safe integer: keys of times sort as numbers do. */
const TIME_DIGITS = 16;
/** The group of capsules without a parent. */
const NO_PARENT = 'none';

/** A capsule's place in time, the same in every index, and so a cursor for all of them. */
export function position(record: CapsuleRecord): string {
  return String(record.receivedAt).padStart(TIME_DIGITS, '0') + record.id;
}

export function idAt(place: string): string {
  return place.slice(TIME_DIGITS);
}

/** Throws `invalid_request` for anything that is not a position. */
export function assertCursor(cursor: string): void {
  if (!/^\d{16}[!-~]{1,128}$/.test(cursor))
    throw new MeshError('invalid_request', 'The cursor is not valid.');
}

export function addToIndexes(tx: Transaction, record: CapsuleRecord): void {
  for (const [space, key] of rows(record)) tx.put(space, key, 0);
}

export function removeFromIndexes(tx: Transaction, record: CapsuleRecord): void {
  for (const [space, key] of rows(record)) tx.delete(space, key);
}

export function moveStatus(tx: Transaction, record: CapsuleRecord, to: CapsuleStatus): void {
  const place = position(record);
  tx.delete(byStatus, grouped(record.status, place));
  tx.put(byStatus, grouped(to, place), 0);
}

/** Positions that may match, from one index: the one that leaves the fewest. Newest first, before `cursor`. */
export function candidates(db: Database, filter: ListFilter, limit: number): AsyncIterable<string> {
  const { parentCapsule, root, status, requestedCapability, cursor } = filter;
  const walk = (space: Row, group: string) => walkGroup(db, space, group, { cursor, limit });
  if (parentCapsule !== undefined) return walk(byParent, parentCapsule);
  if (root !== undefined) return walk(byRoot, root);
  if (status !== undefined && OPEN_STATUSES.includes(status)) return walk(byStatus, status);
  if (requestedCapability !== undefined) return walk(byCapability, requestedCapability);
  if (status !== undefined) return walk(byStatus, status);
  return keys(db.scan(byTime, { reverse: true, limit, ...(cursor !== undefined && { lt: cursor }) }));
}

/** Positions of capsules without a parent, newest first. */
export function roots(db: Database, cursor: string | undefined, limit: number): AsyncIterable<string> {
  return walkGroup(db, byParent, NO_PARENT, { cursor, limit });
}

/** Positions of all capsules that have one of the statuses, oldest first, as they are when the walk begins. */
export async function* oldestWith(db: Database, statuses: readonly CapsuleStatus[]): AsyncGenerator<string> {
  const walks = statuses.map((status) =>
    keys(db.scan(byStatus, { gte: `${status}:`, lt: `${status};` }), status.length + 1),
  );
  const heads = await Promise.all(walks.map((walk) => walk.next()));
  try {
    for (;;) {
      let oldest: { place: string; at: number } | undefined;
      for (const [at, head] of heads.entries()) {
        if (!head.done && (oldest === undefined || head.value < oldest.place))
          oldest = { place: head.value, at };
      }
      const walk = oldest && walks[oldest.at];
      if (oldest === undefined || walk === undefined) return;
      yield oldest.place;
      heads[oldest.at] = await walk.next();
    }
  } finally {
    await Promise.all(walks.map((walk) => walk.return(undefined)));
  }
}

export function unfinishedPositions(db: Database): AsyncIterable<string> {
  return oldestWith(db, OPEN_STATUSES);
}

export function endedPositions(db: Database, except: readonly CapsuleStatus[]): AsyncIterable<string> {
  return oldestWith(
    db,
    TERMINAL_STATUSES.filter((status) => !except.includes(status)),
  );
}

function rows(record: CapsuleRecord): [Row, string][] {
  const place = position(record);
  return [
    [byTime, place],
    [byStatus, grouped(record.status, place)],
    [byCapability, grouped(record.requestedCapability, place)],
    [byRoot, grouped(record.root, place)],
    [byParent, grouped(record.parentCapsule ?? NO_PARENT, place)],
  ];
}

function grouped(group: string, place: string): string {
  return `${group}:${place}`;
}

function walkGroup(
  db: Database,
  space: Row,
  group: string,
  { cursor, limit }: { cursor: string | undefined; limit: number },
): AsyncIterable<string> {
  // ";" follows ":" and so ends the group.
  const lt = cursor === undefined ? `${group};` : grouped(group, cursor);
  return keys(db.scan(space, { gte: `${group}:`, lt, reverse: true, limit }), group.length + 1);
}

async function* keys(pairs: AsyncIterable<[string, 0]>, skip = 0): AsyncGenerator<string, undefined> {
  for await (const [key] of pairs) yield key.slice(skip);
}
