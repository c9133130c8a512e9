import { LayoutError } from '../layout-error.ts';
import type { ByteSource } from '../types.ts';
import { type CentralEntry, checkExtraFields } from './central-directory.ts';
import { DESCRIPTOR_BYTES, FLAGS, LOCAL, sharedFields, viewOf } from './format.ts';

/** One read covers as many headers as lie this close together: small files take few reads, large ones short reads. */
const WINDOW_BYTES = 65_536;
/** What a local header may have more of than the central one tells, before it takes a read of its own. */
const EXTRA_BYTES = 64;
const COMPARED_FLAGS = FLAGS.encrypted | FLAGS.descriptor | FLAGS.utf8;

/**
 * Compares each local header with its central one and adds to the entry where its data begins. Entries may neither
 * share bytes with each other nor reach into the central directory, which begins at `limit`. Gives the number of
 * bytes that belong to no entry. Throws LayoutError.
 */
export async function readLocalHeaders(
  source: ByteSource,
  entries: readonly CentralEntry[],
  limit: number,
): Promise<number> {
  const ordered = entries.toSorted((a, b) => a.offset - b.offset);
  let window: { start: number; bytes: Uint8Array } = { start: 0, bytes: new Uint8Array() };
  let [end, gapBytes] = [0, 0];
  for (const [place, entry] of ordered.entries()) {
    const { offset, path } = entry;
    if (offset < end) throw overlap(path);
    checkRange(source, path, offset + LOCAL.bytes, limit);
    const needed = LOCAL.bytes + entry.rawName.length;
    if (offset + needed > window.start + window.bytes.length || offset < window.start) {
      const read = source.read(offset, windowLength(ordered, place, limit));
      window = { start: offset, bytes: read instanceof Uint8Array ? read : await read };
    }
    const at = offset - window.start;
    const extraLength = extraLengthOf(entry, window.bytes.subarray(at, at + needed));
    entry.dataOffset = offset + needed + extraLength;
    gapBytes += unclaimed(offset - end, ordered[place - 1]);
    end = entry.dataOffset + entry.compressedSize;
    checkRange(source, path, end, limit);
    if (extraLength === 0) continue;
    checkExtraFields(await source.read(offset + needed, extraLength), path);
    entry.hasExtra = true;
  }
  return gapBytes + unclaimed(limit - end, ordered.at(-1));
}

const overlap = (path: string): LayoutError =>
  new LayoutError('overlapping_entries', `${path} shares bytes with another part of the archive.`, path);

function checkRange(source: ByteSource, path: string, end: number, limit: number): void {
  if (end > source.size) throw new LayoutError('truncated', `${path} ends behind the end of the file.`, path);
  if (end > limit) throw overlap(path);
}

/** Behind the data of an entry there may be its data descriptor. */
const unclaimed = (bytes: number, before: CentralEntry | undefined): number =>
  before !== undefined && (before.flags & FLAGS.descriptor) !== 0 && bytes <= DESCRIPTOR_BYTES ? 0 : bytes;

/** From one header to the end of the last one that is near enough. */
function windowLength(ordered: readonly CentralEntry[], place: number, limit: number): number {
  const start = ordered[place]?.offset ?? 0;
  let end = start;
  for (let next = place; next < ordered.length; next += 1) {
    const { offset, rawName } = ordered[next] ?? { offset: limit, rawName: [] };
    const headerEnd = offset + LOCAL.bytes + rawName.length + EXTRA_BYTES;
    if (next > place && headerEnd - start > WINDOW_BYTES) break;
    end = headerEnd;
  }
  return Math.min(end, limit) - start;
}

/** Length of the local header's own extra fields, once everything else in it agrees with the central header. */
function extraLengthOf(entry: CentralEntry, header: Uint8Array): number {
  const { path, rawName, flags } = entry;
  const view = viewOf(header);
  const local = sharedFields(view, 4);
  const refuse = (what: string): LayoutError =>
    new LayoutError('local_header_mismatch', `The two headers of ${path} differ in ${what}.`, path);
  if (view.getUint32(0, true) !== LOCAL.signature) throw refuse('their place');
  const name = header.subarray(LOCAL.bytes);
  if (local.nameLength !== rawName.length || rawName.some((byte, place) => byte !== name[place]))
    throw refuse('the name');
  if ((local.flags & COMPARED_FLAGS) !== (flags & COMPARED_FLAGS)) throw refuse('the flags');
  if (local.method !== entry.method) throw refuse('the compression');
  for (const field of ['crc32', 'compressedSize', 'size'] as const) {
    // With a data descriptor, the writer did not know these yet and put zeros.
    const isLater = local[field] === 0 && (flags & FLAGS.descriptor) !== 0;
    if (local[field] !== entry[field] && !isLater) throw refuse('the size or the checksum');
  }
  return local.extraLength;
}
