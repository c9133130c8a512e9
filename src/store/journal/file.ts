import { constants } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type RecordsRead, readRecords } from './record.ts';

/*
 * `<number, 8 digits>.journal`: a header, records, then zeros or what an earlier use left. Header: magic, number of the file (u32), salt (u32), sequence
 * number of the first record (u48), checksum of these (u32). Big endian.
 */

const MAGIC = Buffer.from('CMJ1');
const HEADER_BYTES = 22;
const OWNER_ONLY = 0o600;
/**
 * Zeros are written ahead in such steps where a file has no space yet. Inside of what is there already a write needs no
 * change of the file system's own records when it is synced, which takes a quarter off its time.
 */
const STEP = Buffer.alloc(1_048_576);
/** A file whose records are not needed any more, to be used again: it has its space. */
const SPARE = 'spare';
/** Each write is synced by itself where the system can, which saves a call; else `fdatasync` follows. */
const SYNCED_WRITES = process.platform === 'linux' ? constants.O_DSYNC : 0;

interface Header {
  number: number;
  salt: number;
  /** Sequence number of the first record. */
  sequence: number;
}

export interface JournalContents extends Header, RecordsRead {}

/** One file of the journal, open for appending. */
export class JournalFile {
  readonly number: number;
  readonly salt: number;
  readonly #handle: FileHandle;
  /** Bytes that are in use. */
  #end: number;
  /** Bytes that the file has. */
  #allocated: number;

  private constructor(header: Header, handle: FileHandle, end: number, allocated: number) {
    this.number = header.number;
    this.salt = header.salt;
    this.#handle = handle;
    this.#end = end;
    this.#allocated = allocated;
  }

  /** Under its own name only when its header is on the disk: a journal file without one was damaged. */
  static async create(directory: string, header: Header): Promise<JournalFile> {
    const path = join(directory, journalName(header.number));
    const spare = join(directory, SPARE);
    // Made where there is none, or used again.
    const handle = await open(spare, constants.O_RDWR | constants.O_CREAT | SYNCED_WRITES, OWNER_ONLY);
    try {
      const file = new JournalFile(header, handle, 0, (await handle.stat()).size);
      await file.append(encodeHeader(header));
      await handle.sync();
      await rename(spare, path);
      await syncDirectory(directory);
      return file;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Opens what was read before; what was being written when the node died is written over. */
  static async reopen(directory: string, contents: JournalContents): Promise<JournalFile> {
    const handle = await open(
      join(directory, journalName(contents.number)),
      constants.O_RDWR | SYNCED_WRITES,
    );
    const { size } = await handle.stat();
    return new JournalFile(contents, handle, contents.end, size);
  }

  get size(): number {
    return this.#end;
  }

  get isEmpty(): boolean {
    return this.#end === HEADER_BYTES;
  }

  /** On the disk when it resolves. */
  async append(bytes: Buffer): Promise<void> {
    const end = this.#end + bytes.length;
    if (end > this.#allocated) {
      await writeFully(this.#handle, [bytes, STEP], this.#end);
      this.#allocated = end + STEP.length;
    } else {
      await writeFully(this.#handle, [bytes], this.#end);
    }
    if (SYNCED_WRITES === 0) await this.#handle.datasync();
    this.#end = end;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Gives the payload of each record, then what else there is to know; undefined where its header is damaged. */
export async function readJournalFile(
  directory: string,
  number: number,
): Promise<Generator<Buffer, JournalContents> | undefined> {
  const bytes = await readFile(join(directory, journalName(number)));
  const header = decodeHeader(bytes);
  return header?.number === number ? contentsOf(bytes, header) : undefined;
}

export function journalName(number: number): string {
  return `${String(number).padStart(8, '0')}.journal`;
}

/**
 * Takes a file out of the journal, for good or as the spare one. The names are on the disk when it resolves: of several that
 * are removed one after the other, no power loss leaves an older one without a newer.
 */
export async function removeJournalFile(directory: string, number: number, keep: boolean): Promise<void> {
  const path = join(directory, journalName(number));
  await (keep ? rename(path, join(directory, SPARE)) : rm(path));
  await syncDirectory(directory);
}

export function removeSpare(directory: string): Promise<void> {
  return rm(join(directory, SPARE), { force: true });
}

/** Makes names that were added, changed or removed survive a power loss; Windows does so by itself and cannot be asked. */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function* contentsOf(bytes: Buffer, header: Header): Generator<Buffer, JournalContents> {
  const read = yield* readRecords(bytes, { ...header, from: HEADER_BYTES });
  return { ...header, ...read };
}

function encodeHeader({ number, salt, sequence }: Header): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32BE(number, 4);
  bytes.writeUInt32BE(salt, 8);
  bytes.writeUIntBE(sequence, 12, 6);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 18)), 18);
  return bytes;
}

function decodeHeader(bytes: Buffer): Header | undefined {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, 4).equals(MAGIC)) return undefined;
  if (crc32(bytes.subarray(0, 18)) !== bytes.readUInt32BE(18)) return undefined;
  return { number: bytes.readUInt32BE(4), salt: bytes.readUInt32BE(8), sequence: bytes.readUIntBE(12, 6) };
}

async function writeFully(handle: FileHandle, parts: Buffer[], position: number): Promise<void> {
  const [only] = parts;
  const whole = parts.length === 1 && only !== undefined;
  const { bytesWritten } = whole
    ? await handle.write(only, 0, only.length, position)
    : await handle.writev(parts, position);
  const length = parts.reduce((sum, { length }) => sum + length, 0);
  if (bytesWritten === length) return;
  // A disk that is nearly full takes a part; the rest then says why.
  if (bytesWritten === 0) throw new Error('The journal could not be written.');
  await writeFully(handle, [Buffer.concat(parts).subarray(bytesWritten)], position + bytesWritten);
}
