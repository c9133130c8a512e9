import { MeshError } from '../../lib/errors.ts';
import { chunksOf } from '../source.ts';
import type { ArchiveComponents, ByteSink, ByteSource } from '../types.ts';
import {
  CENTRAL_BYTES,
  CENTRAL_SIGNATURE,
  END_BYTES,
  END_SIGNATURE,
  EPOCH_DOS,
  HOST_UNIX,
  LOCAL_BYTES,
  LOCAL_SIGNATURE,
  MAX_UINT16,
  MAX_UINT32,
  REGULAR_FILE_MODE,
  STORED,
  UTF8_FLAG,
  viewOf,
} from './format.ts';
import { nameProblem } from './names.ts';
import { SinkBuffer } from './sink-buffer.ts';

/** A file whose size and checksum are known before its first byte is written. */
export interface ZipFile {
  path: string;
  /** bytes */
  size: number;
  crc32: number;
  content: Uint8Array | ByteSource;
}

interface Placed {
  file: ZipFile;
  name: Uint8Array;
  /** Of the local header. */
  offset: number;
}

interface Plan {
  placed: Placed[];
  directoryOffset: number;
  directorySize: number;
}

const UTF8 = new TextEncoder();
/** 65,535 would say "see ZIP64", which this format does not use; so would the highest offset. */
const MAX_FILES = MAX_UINT16 - 1;
const MAX_ZIP_BYTES = MAX_UINT32 - 1;
/** Versions that read a stored file, and one with a name in UTF-8. */
const VERSION = 10;
const VERSION_UTF8 = 20;

/** Length of the archive in bytes. Throws what `writeZip` throws before its first byte. */
export function zipSize(files: readonly ZipFile[]): number {
  const { directoryOffset, directorySize } = planned(files);
  return directoryOffset + directorySize + END_BYTES;
}

/**
 * Writes the one archive that there is for these files: STORED, sorted by path, 1980-01-01, no extra fields, sizes in
 * front of the data (archive-v0.6 "Layout"). Throws `invalid_request` for a path that a reader refuses or that is
 * there twice, `too_large` for what takes ZIP64, `conflict` for a content that is not as its size and CRC say.
 */
export async function writeZip(
  { crypto }: Pick<ArchiveComponents, 'crypto'>,
  files: readonly ZipFile[],
  sink: ByteSink,
  signal?: AbortSignal,
): Promise<void> {
  const { placed, directoryOffset, directorySize } = planned(files);
  const out = new SinkBuffer(sink, directoryOffset + directorySize + END_BYTES);
  for (const place of placed) {
    signal?.throwIfAborted();
    const { file } = place;
    await out.write(localHeader(place));
    let crc = 0;
    for await (const chunk of piecesOf(file)) {
      signal?.throwIfAborted();
      crc = crypto.crc32(chunk, crc);
      await out.write(chunk);
    }
    if (crc !== file.crc32) throw changed(file);
  }
  for (const place of placed) await out.write(centralHeader(place));
  await out.write(endRecord(placed.length, directoryOffset, directorySize));
  await out.flush();
}

function planned(files: readonly ZipFile[]): Plan {
  if (files.length > MAX_FILES)
    throw new MeshError('too_large', `An archive has at most ${String(MAX_FILES)} files.`);
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const placed: Placed[] = [];
  let [offset, directorySize] = [0, 0];
  for (const [place, file] of sorted.entries()) {
    const { path, size } = file;
    const name = UTF8.encode(path);
    const problem = path.endsWith('/') ? 'is the name of a folder' : nameProblem(path, name.length);
    if (problem !== null)
      throw new MeshError('invalid_request', `The path ${JSON.stringify(path)} ${problem}.`);
    if (path === sorted[place - 1]?.path)
      throw new MeshError('invalid_request', `${path} cannot be in an archive twice.`);
    placed.push({ file, name, offset });
    offset += LOCAL_BYTES + name.length + size;
    directorySize += CENTRAL_BYTES + name.length;
  }
  if (offset + directorySize + END_BYTES > MAX_ZIP_BYTES)
    throw new MeshError('too_large', `An archive has at most ${String(MAX_ZIP_BYTES)} bytes.`);
  return { placed, directoryOffset: offset, directorySize };
}

function piecesOf(file: ZipFile): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  const { content, size } = file;
  if ((content instanceof Uint8Array ? content.length : content.size) !== size) throw changed(file);
  return content instanceof Uint8Array ? [content] : chunksOf(content, 0, size);
}

const changed = ({ path }: ZipFile): MeshError =>
  new MeshError('conflict', `${path} changed while the archive was being made.`);

function localHeader(place: Placed): Uint8Array {
  const header = new Uint8Array(LOCAL_BYTES + place.name.length);
  viewOf(header).setUint32(0, LOCAL_SIGNATURE, true);
  setCommonFields(header.subarray(4), place);
  header.set(place.name, LOCAL_BYTES);
  return header;
}

function centralHeader(place: Placed): Uint8Array {
  const header = new Uint8Array(CENTRAL_BYTES + place.name.length);
  const view = viewOf(header);
  view.setUint32(0, CENTRAL_SIGNATURE, true);
  view.setUint8(4, versionOf(place));
  view.setUint8(5, HOST_UNIX);
  setCommonFields(header.subarray(6), place);
  view.setUint16(40, REGULAR_FILE_MODE, true);
  view.setUint32(42, place.offset, true);
  header.set(place.name, CENTRAL_BYTES);
  return header;
}

/** From "version needed" to the length of the extra fields, which both headers have alike. */
function setCommonFields(target: Uint8Array, place: Placed): void {
  const { file, name } = place;
  const view = viewOf(target);
  view.setUint16(0, versionOf(place), true);
  view.setUint16(2, isAscii(place) ? 0 : UTF8_FLAG, true);
  view.setUint16(4, STORED, true);
  view.setUint32(6, EPOCH_DOS, true);
  view.setUint32(10, file.crc32, true);
  view.setUint32(14, file.size, true);
  view.setUint32(18, file.size, true);
  view.setUint16(22, name.length, true);
}

const isAscii = ({ file, name }: Placed): boolean => file.path.length === name.length;
const versionOf = (place: Placed): number => (isAscii(place) ? VERSION : VERSION_UTF8);

function endRecord(entryCount: number, directoryOffset: number, directorySize: number): Uint8Array {
  const record = new Uint8Array(END_BYTES);
  const view = viewOf(record);
  view.setUint32(0, END_SIGNATURE, true);
  view.setUint16(8, entryCount, true);
  view.setUint16(10, entryCount, true);
  view.setUint32(12, directorySize, true);
  view.setUint32(16, directoryOffset, true);
  return record;
}
