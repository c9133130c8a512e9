import { inconsistent, LayoutError } from '../layout-error.ts';
import type { ByteSource } from '../types.ts';
import { END, LOCAL, MAX_UINT16, viewOf, ZIP64_LOCATOR } from './format.ts';

export interface EndRecord {
  entryCount: number;
  directoryOffset: number;
  directorySize: number;
  hasComment: boolean;
}

const LAST_SIGNATURE_BYTE = END.signature >>> 24;

/**
 * The one end of central directory record: last in the file, with nothing but its own comment behind it, and right
 * behind the directory. Readers differ in how they look for it, so a file in which they could find another is refused.
 * So are several disks, and ZIP64, which an archive within the limits never needs.
 */
export async function readEndRecord(source: ByteSource): Promise<EndRecord> {
  const length = Math.min(source.size, END.bytes + MAX_UINT16);
  const start = source.size - length;
  const tail = await source.read(start, length);
  const view = viewOf(tail);
  const place = findEndRecord(tail, view);
  if (place === null) {
    const isZip = source.size >= 4 && viewOf(await source.read(0, 4)).getUint32(0, true) === LOCAL.signature;
    if (isZip)
      throw new LayoutError('truncated', 'The archive is cut short: its central directory is missing.');
    throw new LayoutError('not_a_zip', 'This is not a .capsule archive, which is a ZIP file.');
  }
  const field = (offset: number): number => view.getUint16(place + offset, true);
  const [entriesOnDisk, entryCount] = [field(8), field(10)];
  const directorySize = view.getUint32(place + 12, true);
  const directoryOffset = view.getUint32(place + 16, true);
  if (field(4) !== 0 || field(6) !== 0 || entriesOnDisk !== entryCount)
    throw inconsistent('The archive is spread over several disks.');
  if (
    place >= ZIP64_LOCATOR.bytes &&
    view.getUint32(place - ZIP64_LOCATOR.bytes, true) === ZIP64_LOCATOR.signature
  )
    throw inconsistent('The archive is in ZIP64, which this format does not use.');
  if (directoryOffset + directorySize !== start + place)
    throw inconsistent('The central directory is not where the end of the archive says.');
  return { entryCount, directoryOffset, directorySize, hasComment: field(20) > 0 };
}

/** Its place in `tail`. */
function findEndRecord(tail: Uint8Array, view: DataView): number | null {
  let found: number | null = null;
  /** Bytes between the end of the last record that there is and the end of the file. */
  let behind: number | null = null;
  for (
    let at = tail.indexOf(LAST_SIGNATURE_BYTE, 3);
    at !== -1;
    at = tail.indexOf(LAST_SIGNATURE_BYTE, at + 1)
  ) {
    const place = at - 3;
    if (view.getUint32(place, true) !== END.signature) continue;
    if (found !== null)
      throw inconsistent('The archive has more than one end, so readers could differ on what is in it.');
    const end = place + END.bytes;
    behind = end > tail.length ? -1 : tail.length - end - view.getUint16(end - 2, true);
    if (behind === 0) found = place;
  }
  if (found !== null || behind === null) return found;
  if (behind < 0) throw new LayoutError('truncated', 'The archive is cut short within its last bytes.');
  throw inconsistent('There are bytes behind the end of the archive.');
}
