import { LayoutError } from '../layout-error.ts';
import {
  ARCHIVE_LIMITS,
  type ArchiveComponents,
  type ArchiveEntry,
  type ArchiveLimits,
  type ByteSource,
  type Container,
} from '../types.ts';
import { type CentralEntry, readDirectory } from './central-directory.ts';
import { departures } from './departures.ts';
import { readEndRecord } from './end-record.ts';
import { DEFLATE } from './format.ts';
import { readLocalHeaders } from './local-headers.ts';

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
  const { maxEntries, maxTotalBytes } = checkedLimits(limits);
  const end = await readEndRecord(source);
  if (end.entryCount > maxEntries)
    throw tooMuch('entry_count_limit', `${String(end.entryCount)} entries`, maxEntries);
  const directory = await readDirectory(source, end);
  const total = directory.reduce((sum, { size }) => sum + size, 0);
  if (total > maxTotalBytes)
    throw tooMuch('total_size_limit', `${String(total)} bytes unpacked`, maxTotalBytes);
  const headers = await readLocalHeaders(source, directory, end.directoryOffset);
  return {
    entries: entriesOf(directory, headers.dataOffsets),
    source,
    warnings: departures(directory, headers, end),
  };
}

function checkedLimits(limits: Partial<ArchiveLimits>): ArchiveLimits {
  const { maxEntries = ARCHIVE_LIMITS.maxEntries, maxTotalBytes = ARCHIVE_LIMITS.maxTotalBytes } = limits;
  for (const limit of [maxEntries, maxTotalBytes]) {
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw new TypeError('A limit of an archive is a positive integer.');
  }
  return { maxEntries, maxTotalBytes };
}

const tooMuch = (
  reason: 'entry_count_limit' | 'total_size_limit',
  what: string,
  limit: number,
): LayoutError => new LayoutError(reason, `The archive has ${what}; the limit is ${String(limit)}.`);

/** Folders are left out: they have no content, and the format does not know them. */
function entriesOf(
  directory: readonly CentralEntry[],
  dataOffsets: ReadonlyMap<CentralEntry, number>,
): ReadonlyMap<string, ArchiveEntry> {
  const entries = new Map<string, ArchiveEntry>();
  for (const entry of directory) {
    if (entry.isFolder) continue;
    const { path, size, compressedSize, crc32, method } = entry;
    const dataOffset = dataOffsets.get(entry) ?? 0;
    entries.set(path, { path, size, dataOffset, compressedSize, crc32, compressed: method === DEFLATE });
  }
  return entries;
}
