import { crc32 } from 'node:zlib';
import type { Write } from '../disk.ts';

/*
 * One group of commits as it stands in a journal file: the file's salt (u32), checksum (u32), length of the payload (u32),
 * sequence number (u48), payload. The checksum covers what follows it and begins with the salt. Nobody else knows the salt, so neither what a
 * peer puts into a capsule nor what an earlier use left in the file can be taken for a record. Big endian.
 */

const SALT = 0;
const CHECKSUM = 4;
const LENGTH = 8;
const SEQUENCE = 12;
const SEQUENCE_BYTES = 6;
export const RECORD_HEADER_BYTES = SEQUENCE + SEQUENCE_BYTES;
/** Of a row's two lengths and what stands around them. */
const LENGTHS_BYTES = 32;

export interface RecordsRead {
  /** Offset behind the last valid record. */
  end: number;
  /** Sequence number that the next record has. */
  next: number;
  /** Valid records come after something that is not one. */
  damaged: boolean;
}

/** `space` is used where the record fits in; then it is valid until the next one. */
export function encodeRecord(
  writes: readonly Write[],
  salt: number,
  sequence: number,
  space?: Buffer,
): Buffer {
  const record = spaceFor(writes, space);
  let end = RECORD_HEADER_BYTES;
  // Lengths are in UTF-16 units, so that a payload is decoded in one go.
  for (const write of writes) {
    const put = write.type === 'put';
    const lengths = put ? `+${write.key.length},${write.value.length}:` : `-${write.key.length}:`;
    end += record.write(lengths, end, 'latin1');
    end += record.write(write.key, end, 'utf8');
    if (put) end += record.write(write.value, end, 'utf8');
  }
  record.writeUInt32BE(salt, SALT);
  record.writeUInt32BE(end - RECORD_HEADER_BYTES, LENGTH);
  record.writeUIntBE(sequence, SEQUENCE, SEQUENCE_BYTES);
  record.writeUInt32BE(crc32(record.subarray(LENGTH, end), salt), CHECKSUM);
  return record.subarray(0, end);
}

/** Counts the bytes only where the record might not fit: a UTF-16 unit takes three bytes at most, and mostly one. */
function spaceFor(writes: readonly Write[], space: Buffer | undefined): Buffer {
  if (space !== undefined && bytesOf(writes, (text) => 3 * text.length) <= space.length) return space;
  const bytes = bytesOf(writes, (text) => Buffer.byteLength(text));
  return space !== undefined && bytes <= space.length ? space : Buffer.allocUnsafe(bytes);
}

/** And no more than these for the lengths of a row. */
function bytesOf(writes: readonly Write[], of: (text: string) => number): number {
  let bytes = RECORD_HEADER_BYTES;
  for (const write of writes)
    bytes += LENGTHS_BYTES + of(write.key) + (write.type === 'put' ? of(write.value) : 0);
  return bytes;
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
  return { end, next, damaged: goesOn(file, end, salt, next) };
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

/**
 * Whether there is a valid record behind the end. Only the last write can be incomplete, since each waits for the one before:
 * behind it nothing is valid.
 */
function goesOn(file: Buffer, end: number, salt: number, next: number): boolean {
  const mark = Buffer.alloc(CHECKSUM);
  mark.writeUInt32BE(salt);
  for (let at = file.indexOf(mark, end + 1); at >= 0; at = file.indexOf(mark, at + 1)) {
    if (recordLengthAt(file, at, salt, (found) => found >= next) !== undefined) return true;
  }
  return false;
}

function recordLengthAt(
  file: Buffer,
  offset: number,
  salt: number,
  expected: (sequence: number) => boolean,
): number | undefined {
  if (offset + RECORD_HEADER_BYTES > file.length || file.readUInt32BE(offset) !== salt) return undefined;
  const length = file.readUInt32BE(offset + LENGTH);
  const end = offset + RECORD_HEADER_BYTES + length;
  if (length === 0 || end > file.length) return undefined;
  if (!expected(file.readUIntBE(offset + SEQUENCE, SEQUENCE_BYTES))) return undefined;
  const checksum = crc32(file.subarray(offset + LENGTH, end), salt);
  return checksum === file.readUInt32BE(offset + CHECKSUM) ? length : undefined;
}
