import { crc32 } from 'node:zlib';
import type { Write } from '../disk.ts';

/*
 * One group of commits as it stands in a journal file: checksum (u32), length of the payload (u32), sequence number
 * (u48), payload. The checksum covers all that follows it and begins with the file's salt, so that what a peer puts into
 * a capsule can never be taken for a record. Big endian.
 */

const CHECKSUM = 0;
const LENGTH = 4;
const SEQUENCE = 8;
const SEQUENCE_BYTES = 6;
export const RECORD_HEADER_BYTES = SEQUENCE + SEQUENCE_BYTES;

export interface RecordsRead {
  /** Offset behind the last valid record. */
  end: number;
  /** Sequence number that the next record has. */
  next: number;
  /** `torn`: something behind the end that was being written; `damaged`: valid records come after what is not one. */
  tail: 'clean' | 'torn' | 'damaged';
}

export function encodeRecord(writes: Iterable<Write>, salt: number, sequence: number): Buffer {
  // Lengths are in UTF-16 units, so that the text is encoded in one go.
  let text = '';
  for (const write of writes) {
    if (write.type === 'put') text += `+${write.key.length},${write.value.length}:${write.key}${write.value}`;
    else text += `-${write.key.length}:${write.key}`;
  }
  const length = Buffer.byteLength(text);
  const record = Buffer.allocUnsafe(RECORD_HEADER_BYTES + length);
  record.writeUInt32BE(length, LENGTH);
  record.writeUIntBE(sequence, SEQUENCE, SEQUENCE_BYTES);
  record.write(text, RECORD_HEADER_BYTES, 'utf8');
  record.writeUInt32BE(crc32(record.subarray(LENGTH), salt), CHECKSUM);
  return record;
}

/** Gives the payload of each valid record in order, then what is behind them. */
export function* readRecords(
  file: Buffer,
  { from, salt, sequence }: { from: number; salt: number; sequence: number },
): Generator<Buffer, RecordsRead> {
  let end = from;
  let next = sequence;
  for (;;) {
    const length = recordLengthAt(file, end, salt, (found) => found === next);
    if (length === undefined) break;
    yield file.subarray(end + RECORD_HEADER_BYTES, end + RECORD_HEADER_BYTES + length);
    end += RECORD_HEADER_BYTES + length;
    next++;
  }
  return { end, next, tail: tailOf(file, end, salt, next) };
}

/** The rows of a payload. Throws where it is not one, which its checksum excludes. */
export function* decodeRows(payload: Buffer): Generator<Write> {
  const text = payload.toString('utf8');
  let at = 0;
  const take = (length: number): string => {
    const start = at;
    at += length;
    return text.slice(start, at);
  };
  while (at < text.length) {
    const put = take(1) === '+';
    const colon = text.indexOf(':', at);
    const [keyLength, valueLength = 0] = text.slice(at, colon).split(',').map(Number);
    if (colon < 0 || keyLength === undefined) throw new RangeError('A record of the journal has no rows.');
    at = colon + 1;
    const key = take(keyLength);
    yield put ? { type: 'put', key, value: take(valueLength) } : { type: 'del', key };
  }
}

/** Only the last write can be incomplete, since each waits for the one before: behind it nothing is valid. */
function tailOf(file: Buffer, end: number, salt: number, next: number): RecordsRead['tail'] {
  let clean = true;
  for (let offset = end; offset < file.length; offset++) {
    if (file[offset] !== 0) clean = false;
    // The record that was cut may be the one that is not valid any more: any later number shows that more was written.
    const later = recordLengthAt(file, offset, salt, (found) => found >= next && found - next <= file.length);
    if (later !== undefined) return 'damaged';
  }
  return clean ? 'clean' : 'torn';
}

function recordLengthAt(
  file: Buffer,
  offset: number,
  salt: number,
  expected: (sequence: number) => boolean,
): number | undefined {
  if (offset + RECORD_HEADER_BYTES > file.length) return undefined;
  const length = file.readUInt32BE(offset + LENGTH);
  const end = offset + RECORD_HEADER_BYTES + length;
  if (length === 0 || end > file.length) return undefined;
  if (!expected(file.readUIntBE(offset + SEQUENCE, SEQUENCE_BYTES))) return undefined;
  const checksum = crc32(file.subarray(offset + LENGTH, end), salt);
  return checksum === file.readUInt32BE(offset + CHECKSUM) ? length : undefined;
}
