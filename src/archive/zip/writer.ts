import { MeshError } from '../../lib/errors.ts';
import { chunksOf } from '../source.ts';
import type { ArchiveComponents, ByteSink, ByteSource } from '../types.ts';
import {
  CENTRAL,
  END,
  EPOCH_DOS,
  FLAGS,
  HOST_UNIX,
  LOCAL,
  MAX_UINT16,
  MAX_UINT32,
  METHOD,
  REGULAR_FILE_MODE,
  viewOf,
} from './format.ts';
import { fileNameProblem } from './names.ts';

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

type Plan = ReturnType<typeof planned>;

const UTF8 = new TextEncoder();
/** 65,535 would say "see ZIP64", which this format does not use; so would the highest offset. */
const MAX_FILES = MAX_UINT16 - 1;
const MAX_ZIP_BYTES = MAX_UINT32 - 1;
/** Versions that read a stored file, and one with a name in UTF-8. */
const VERSION = 10;
const VERSION_UTF8 = 20;

/** Gathered before the sink is called: a small archive is one call. */
const GATHERED_BYTES = 65_536;
/** Longer pieces cost more to copy than to pass on. */
const SHORT_BYTES = 16_384;

/** Length of the archive in bytes. Throws what `writeZip` throws before its first byte. */
export const zipSize = (files: readonly ZipFile[]): number => planned(files).size;

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
  const plan = planned(files);
  let buffer = new Uint8Array();
  let [filled, left] = [0, plan.size];
  const flush = async (): Promise<void> => {
    if (filled === 0) return;
    const gathered = buffer.subarray(0, filled);
    // The sink may keep what it is given.
    buffer = buffer.subarray(filled);
    filled = 0;
    await sink(gathered);
  };
  for await (const piece of piecesOf(crypto, plan, signal)) {
    const isShort = piece.length <= SHORT_BYTES;
    if (!isShort || filled + piece.length > buffer.length) await flush();
    if (!isShort) await sink(piece);
    else {
      if (piece.length > buffer.length) buffer = new Uint8Array(Math.min(left, GATHERED_BYTES));
      buffer.set(piece, filled);
      filled += piece.length;
    }
    left -= piece.length;
  }
  await flush();
}

/** Where everything comes, and the bytes of the whole. */
function planned(files: readonly ZipFile[]) {
  if (files.length > MAX_FILES)
    throw new MeshError('too_large', `An archive has at most ${String(MAX_FILES)} files.`);
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const placed: Placed[] = [];
  let [offset, directorySize] = [0, 0];
  for (const [place, file] of sorted.entries()) {
    const { path, size } = file;
    const problem = fileNameProblem(path);
    if (problem !== null)
      throw new MeshError('invalid_request', `The path ${JSON.stringify(path)} ${problem}.`);
    if (path === sorted[place - 1]?.path)
      throw new MeshError('invalid_request', `${path} cannot be in an archive twice.`);
    const name = UTF8.encode(path);
    placed.push({ file, name, offset });
    offset += LOCAL.bytes + name.length + size;
    directorySize += CENTRAL.bytes + name.length;
  }
  const size = offset + directorySize + END.bytes;
  if (size > MAX_ZIP_BYTES)
    throw new MeshError('too_large', `An archive has at most ${String(MAX_ZIP_BYTES)} bytes.`);
  return { placed, directoryOffset: offset, directorySize, size };
}

async function* piecesOf(
  crypto: ArchiveComponents['crypto'],
  plan: Plan,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for (const place of plan.placed) {
    signal?.throwIfAborted();
    yield localHeader(place);
    const { content, size, crc32, path } = place.file;
    const changed = (): MeshError =>
      new MeshError('conflict', `${path} changed while the archive was being made.`);
    if ((content instanceof Uint8Array ? content.length : content.size) !== size) throw changed();
    let crc = 0;
    for await (const chunk of content instanceof Uint8Array ? [content] : chunksOf(content, 0, size)) {
      signal?.throwIfAborted();
      crc = crypto.crc32(chunk, crc);
      yield chunk;
    }
    if (crc !== crc32) throw changed();
  }
  for (const place of plan.placed) yield centralHeader(place);
  yield endRecord(plan);
}

function headerOf({ bytes, signature }: typeof LOCAL | typeof CENTRAL, place: Placed): Uint8Array {
  const header = new Uint8Array(bytes + place.name.length);
  viewOf(header).setUint32(0, signature, true);
  header.set(place.name, bytes);
  return header;
}

function localHeader(place: Placed): Uint8Array {
  const header = headerOf(LOCAL, place);
  setSharedFields(header.subarray(4), place);
  return header;
}

function centralHeader(place: Placed): Uint8Array {
  const header = headerOf(CENTRAL, place);
  setSharedFields(header.subarray(6), place);
  const view = viewOf(header);
  // Made by a writer of the version that it takes to read it.
  view.setUint8(4, view.getUint8(6));
  view.setUint8(5, HOST_UNIX);
  view.setUint16(40, REGULAR_FILE_MODE, true);
  view.setUint32(42, place.offset, true);
  return header;
}

/** From "version needed" to the length of the name, which both headers have alike. */
function setSharedFields(target: Uint8Array, { file, name }: Placed): void {
  const view = viewOf(target);
  const isAscii = file.path.length === name.length;
  view.setUint16(0, isAscii ? VERSION : VERSION_UTF8, true);
  view.setUint16(2, isAscii ? 0 : FLAGS.utf8, true);
  view.setUint16(4, METHOD.stored, true);
  view.setUint32(6, EPOCH_DOS, true);
  view.setUint32(10, file.crc32, true);
  view.setUint32(14, file.size, true);
  view.setUint32(18, file.size, true);
  view.setUint16(22, name.length, true);
}

function endRecord({ placed, directoryOffset, directorySize }: Plan): Uint8Array {
  const record = new Uint8Array(END.bytes);
  const view = viewOf(record);
  view.setUint32(0, END.signature, true);
  view.setUint16(8, placed.length, true);
  view.setUint16(10, placed.length, true);
  view.setUint32(12, directorySize, true);
  view.setUint32(16, directoryOffset, true);
  return record;
}
