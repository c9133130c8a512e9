import { MeshError } from '../lib/errors.ts';

/** As Node names it, and as LevelDB quotes the system: the disk is full, or what its owner may use of it. */
const FULL = /\b(?:ENOSPC|EDQUOT)\b|no space left on device|quota exceeded/i;
/** Causes looked through: a system's error is wrapped two or three times. */
const MAX_CAUSES = 8;

/** Whether something could not be written because there is no room, however often the error was wrapped. */
export function isDiskFull(error: unknown): boolean {
  let each = error;
  for (let depth = 0; depth < MAX_CAUSES && each instanceof Error; depth++) {
    if (FULL.test(`${'code' in each ? String(each.code) : ''} ${each.message}`)) return true;
    each = each.cause;
  }
  return false;
}

/** `where` is the data directory, where that is known. */
export function diskFull(cause: unknown, where?: string): MeshError {
  const disk = where === undefined ? "the data directory's disk" : `the disk of ${where}`;
  const message = `No room is left on ${disk}. Make room there and start the node again; what it promised is kept.`;
  const detail = { reason: 'disk_full', ...(where !== undefined && { directory: where }) };
  return new MeshError('storage_failed', message, detail, { cause });
}

/** For a write that failed: says so where the disk is full. */
export function writeFailed(cause: unknown): MeshError {
  if (isDiskFull(cause)) return diskFull(cause);
  return new MeshError('storage_failed', 'The store could not be written.', undefined, { cause });
}

/** For a store that has lost something: what it lost, and what its owner can do. */
export function damaged(lost: string, from: { directory?: string; cause?: unknown } = {}): MeshError {
  const { directory, cause } = from;
  const store = directory === undefined ? "this node's store" : `the store in ${directory}`;
  const message = `Damage in ${store}: ${lost}. It was left as it is. ${RESTORE}`;
  const detail = { lost, ...(directory !== undefined && { directory }) };
  return new MeshError('storage_failed', message, detail, { cause });
}

/** The same two ways out of every damage (operations "Backup"). */
export const RESTORE =
  'Restore the data directory from a backup, or move its folder "store" away to begin an empty one.';
