import { MeshError } from '../lib/errors.ts';
import { keyspace } from './keyspaces.ts';
import { isOpen, isTerminal } from './lifecycle.ts';
import {
  type CapsuleRow,
  type Database,
  type ScanRange,
  SHARES,
  type Share,
  type TerminalStatus,
} from './types.ts';

/*
 * The one index of capsules: by the time of their receipt. Each has a mark, so that a start can count, and pruning decide, without
 * reading the rows. It is written again only when it changes: as a rule once, when the capsule ends.
 */

export const capsulesByTime = keyspace<string>('capsulesByTime');

/** Digits of the largest safe integer: keys of times sort as numbers do. */
const TIME_DIGITS = 16;
/**
 * Letters for: open, or the status; a root or none; the share. For what is not open `<bytes>:<ended at>` follows.
 * Read without a pattern: a start reads all of them.
 */
const STATUS_OF: ReadonlyMap<string, TerminalStatus> = new Map([
  ['c', 'completed'],
  ['f', 'failed'],
]);
const SHARE_OF: ReadonlyMap<string, Share> = new Map(SHARES.map((share) => [share.charAt(0), share]));
const LETTERS = 3;

/** What a mark says of a capsule. What is open may change: the rest is then in its row only. */
export interface Mark {
  root: boolean;
  share: Share;
  /** Null while it is open. */
  ended: { status: TerminalStatus; bytes: number; at: number } | null;
}

/** A capsule's place in time, and so a cursor. */
export function placeOf({ id, receivedAt }: Pick<CapsuleRow, 'id' | 'receivedAt'>): string {
  return digits(receivedAt).padStart(TIME_DIGITS, '0') + id;
}

export function idAt(place: string): string {
  return place.slice(TIME_DIGITS);
}

export function receivedAtOf(place: string): number {
  return Number(place.slice(0, TIME_DIGITS));
}

/** Throws `invalid_request` for anything that is not a place. */
export function assertCursor(cursor: string): void {
  if (!/^\d{16}[!-~]{1,128}$/.test(cursor))
    throw new MeshError('invalid_request', 'The cursor is not valid.');
}

export function markOf(row: CapsuleRow): string {
  const kind = `${row.parentCapsule === null ? 'r' : '-'}${row.share.charAt(0)}`;
  const { status, bytes, updatedAt } = row;
  if (isOpen(row) || !isTerminal(status)) return `o${kind}`;
  return `${status.charAt(0)}${kind}${digits(bytes)}:${digits(updatedAt)}`;
}

/** Places and marks in their order. */
export async function* marks(db: Database, range: ScanRange): AsyncGenerator<[place: string, mark: Mark]> {
  for await (const pairs of manyMarks(db, range)) yield* pairs;
}

/** The same, many at a time: for whoever reads all. */
export async function* manyMarks(
  db: Database,
  range: ScanRange,
): AsyncGenerator<[place: string, mark: Mark][]> {
  for await (const pairs of db.scanMany(capsulesByTime, range)) {
    yield pairs.map(([place, mark]) => [place, readMark(mark)]);
  }
}

function readMark(text: string): Mark {
  const share = SHARE_OF.get(text.charAt(2));
  if (share === undefined) throw damaged();
  return { root: text.charAt(1) === 'r', share, ended: text.charAt(0) === 'o' ? null : readEnd(text) };
}

function readEnd(text: string): Mark['ended'] {
  const status = STATUS_OF.get(text.charAt(0));
  const colon = text.indexOf(':', LETTERS);
  const [bytes, at] = [Number(text.slice(LETTERS, colon)), Number(text.slice(colon + 1))];
  if (status === undefined || colon < 0 || !Number.isSafeInteger(bytes) || !Number.isSafeInteger(at))
    throw damaged();
  return { status, bytes, at };
}

function damaged(): MeshError {
  return new MeshError('storage_failed', 'A row of the store is damaged.');
}

function digits(value: number): string {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${value} cannot be a time or a length.`);
  return String(value);
}
