import { LayoutError } from '../layout-error.ts';
import type { ByteSource } from '../types.ts';
import type { CentralEntry } from './central-directory.ts';
import { checkExtraFields } from './extra-fields.ts';
import {
  DESCRIPTOR_BYTES,
  DESCRIPTOR_FLAG,
  ENCRYPTED_FLAGS,
  LOCAL_BYTES,
  LOCAL_SIGNATURE,
  UTF8_FLAG,
  viewOf,
} from './format.ts';

/** One read covers as many headers as lie this close together: small files take few reads, large ones short reads. */
const WINDOW_BYTES = 65_536;
/** What a local header may have more of than the central one tells, before it takes a read of its own. */
const EXTRA_BYTES = 64;
const COMPARED_FLAGS = ENCRYPTED_FLAGS | DESCRIPTOR_FLAG | UTF8_FLAG;

export interface LocalHeaders {
  /** Where the data of each entry begins. */
  dataOffsets: ReadonlyMap<CentralEntry, number>;
  /** Entries whose local header has extra fields. */
  hasExtra: ReadonlySet<CentralEntry>;
  /** Bytes that belong to no entry. */
  gapBytes: number;
}

/**
 * Compares each local header with its central one and finds where the data begins. Entries may neither share bytes
 * with each other nor reach into the central directory, which begins at `limit`. Throws LayoutError.
 */
export async function readLocalHeaders(
  source: ByteSource,
  entries: readonly CentralEntry[],
  limit: number,
): Promise<LocalHeaders> {
  const ordered = entries.toSorted((a, b) => a.offset - b.offset);
  const dataOffsets = new Map<CentralEntry, number>();
  const hasExtra = new Set<CentralEntry>();
  let window: { start: number; bytes: Uint8Array } = { start: 0, bytes: new Uint8Array() };
  let end = 0;
  let gapBytes = 0;
  for (const [place, entry] of ordered.entries()) {
    const { offset, path } = entry;
    if (offset < end) throw overlap(path);
    checkRange(source, path, offset + LOCAL_BYTES, limit);
    const needed = LOCAL_BYTES + entry.rawName.length;
    if (offset + needed > window.start + window.bytes.length || offset < window.start) {
      const length = windowLength(ordered, place, limit);
      const read = source.read(offset, length);
      window = { start: offset, bytes: read instanceof Uint8Array ? read : await read };
    }
    const at = offset - window.start;
    const extraLength = extraLengthOf(entry, window.bytes.subarray(at, at + needed));
    const dataOffset = offset + needed + extraLength;
    const dataEnd = dataOffset + entry.compressedSize;
    checkRange(source, path, dataEnd, limit);
    if (extraLength > 0) {
      checkExtraFields(await source.read(offset + needed, extraLength), path);
      hasExtra.add(entry);
    }
    gapBytes += unclaimed(offset - end, ordered[place - 1]);
    dataOffsets.set(entry, dataOffset);
    end = dataEnd;
  }
  return { dataOffsets, hasExtra, gapBytes: gapBytes + unclaimed(limit - end, ordered.at(-1)) };
}

const overlap = (path: string): LayoutError =>
  new LayoutError('overlapping_entries', `${path} shares bytes with another part of the archive.`, path);

function checkRange(source: ByteSource, path: string, end: number, limit: number): void {
  if (end > source.size) throw new LayoutError('truncated', `${path} ends behind the end of the file.`, path);
  if (end > limit) throw overlap(path);
}

/** Behind the data of an entry there may be its data descriptor. */
const unclaimed = (bytes: number, before: CentralEntry | undefined): number =>
  before !== undefined && (before.flags & DESCRIPTOR_FLAG) !== 0 && bytes <= DESCRIPTOR_BYTES ? 0 : bytes;

/** From one header to the end of the last one that is near enough. */
function windowLength(ordered: readonly CentralEntry[], place: number, limit: number): number {
  const start = ordered[place]?.offset ?? 0;
  let end = start;
  for (let next = place; next < ordered.length; next += 1) {
    const entry = ordered[next];
    if (entry === undefined) break;
    const headerEnd = entry.offset + LOCAL_BYTES + entry.rawName.length + EXTRA_BYTES;
    if (next > place && headerEnd - start > WINDOW_BYTES) break;
    end = headerEnd;
  }
  return Math.min(end, limit) - start;
}

/** Length of the local header's own extra fields, once everything else in it agrees with the central header. */
function extraLengthOf(entry: CentralEntry, header: Uint8Array): number {
  const { path, rawName, flags } = entry;
  const view = viewOf(header);
  const refuse = (what: string): LayoutError =>
    new LayoutError('local_header_mismatch', `The two headers of ${path} differ in ${what}.`, path);
  if (view.getUint32(0, true) !== LOCAL_SIGNATURE) throw refuse('their place');
  if (view.getUint16(26, true) !== rawName.length || !sameBytes(header.subarray(LOCAL_BYTES), rawName))
    throw refuse('the name');
  if ((view.getUint16(6, true) & COMPARED_FLAGS) !== (flags & COMPARED_FLAGS)) throw refuse('the flags');
  if (view.getUint16(8, true) !== entry.method) throw refuse('the compression');
  // With a data descriptor, the writer did not know these yet and put zeros.
  const same = (offset: number, value: number): boolean => {
    const local = view.getUint32(offset, true);
    return local === value || (local === 0 && (flags & DESCRIPTOR_FLAG) !== 0);
  };
  if (!same(14, entry.crc32) || !same(18, entry.compressedSize) || !same(22, entry.size))
    throw refuse('the size or the checksum');
  return view.getUint16(28, true);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, place) => byte === b[place]);
}
