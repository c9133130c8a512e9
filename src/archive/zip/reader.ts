import { LayoutError } from '../layout-error.ts';
import {
  ARCHIVE_LIMITS,
  type ArchiveComponents,
  type ArchiveEntry,
  type ArchiveLimits,
  type ByteSource,
  type Container,
  type LayoutReason,
} from '../types.ts';
import { type CentralEntry, readDirectory } from './central-directory.ts';
import { readEndRecord } from './end-record.ts';
import { EPOCH_DOS, FLAGS, METHOD } from './format.ts';
import { readLocalHeaders } from './local-headers.ts';
import { nameCollisions, portabilityProblem } from './portable-names.ts';

/**
 * Opens a ZIP as a container of files (archive-v0.6 "Layout"). Reads headers and nothing else; whatever two readers
 * could read differently is refused. Throws LayoutError for any bytes that do not fit, and TypeError for limits that
 * are not positive integers.
 */
export async function openContainer(
  _components: Partial<ArchiveComponents>,
  source: ByteSource,
  limits: Partial<ArchiveLimits> = {},
): Promise<Container> {
  const { maxEntries = ARCHIVE_LIMITS.maxEntries, maxTotalBytes = ARCHIVE_LIMITS.maxTotalBytes } = limits;
  for (const limit of [maxEntries, maxTotalBytes]) {
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw new TypeError('A limit of an archive is a positive integer.');
  }
  const end = await readEndRecord(source);
  if (end.entryCount > maxEntries)
    throw tooMuch('entry_count_limit', `${String(end.entryCount)} entries`, maxEntries);
  const directory = await readDirectory(source, end);
  const total = directory.reduce((sum, { size }) => sum + size, 0);
  if (total > maxTotalBytes)
    throw tooMuch('total_size_limit', `${String(total)} bytes unpacked`, maxTotalBytes);
  const gapBytes = await readLocalHeaders(source, directory, end.directoryOffset);
  const warnings = departures(directory);
  if (end.hasComment) warnings.push('the archive has a comment');
  if (gapBytes > 0) warnings.push(`${String(gapBytes)} bytes of the archive belong to no entry`);
  const entries = new Map<string, ArchiveEntry>();
  for (const { isFolder, path, size, dataOffset, compressedSize, crc32, method } of directory) {
    // Folders have no content, and the format does not know them.
    if (isFolder) continue;
    entries.set(path, {
      path,
      size,
      dataOffset,
      compressedSize,
      crc32,
      compressed: method === METHOD.deflate,
    });
  }
  return { entries, source, warnings };
}

const tooMuch = (reason: LayoutReason, what: string, limit: number): LayoutError =>
  new LayoutError(reason, `The archive has ${what}; the limit is ${String(limit)}.`);

/** Where entries depart from what a writer of this format writes, without harm. Clauses, at most one of a kind. */
function departures(directory: readonly CentralEntry[]): string[] {
  const found: string[] = [];
  const some = (what: string, test: (entry: CentralEntry, place: number) => boolean): void => {
    const those = directory.filter(test);
    if (those[0] !== undefined) found.push(`${what}: ${listed(those[0].path, those.length)}`);
  };
  const before = (place: number) => directory[place - 1];
  some('compressed, where STORED is the rule', ({ method }) => method === METHOD.deflate);
  some('a timestamp other than 1980-01-01T00:00', ({ time }) => time !== EPOCH_DOS);
  some('not sorted by path', ({ path }, place) => path < (before(place)?.path ?? ''));
  some(
    'data not in the order of the directory',
    (entry, place) => entry.offset < (before(place)?.offset ?? 0),
  );
  some('size and checksum behind the data', ({ flags }) => (flags & FLAGS.descriptor) !== 0);
  some('a folder of its own, which is ignored', ({ isFolder }) => isFolder);
  some('a comment', ({ hasComment }) => hasComment);
  some('extra fields', ({ hasExtra }) => hasExtra);
  some('a name that Windows cannot have', ({ path }) => portabilityProblem(path) !== null);
  const collisions = nameCollisions(directory.map(({ path }) => path));
  if (collisions[0] !== undefined)
    found.push(`names that collide when extracted: ${listed(collisions[0], collisions.length)}`);
  return found;
}

const listed = (first: string, count: number): string =>
  count === 1 ? first : `${first} and ${String(count - 1)} more`;
