import { type EntryMetaData, ZipReader } from '@zip.js/zip.js/lib/zip-core-reader.js';
import { LayoutError } from '../layout-error.ts';
import type { ByteSource, LayoutReason } from '../types.ts';
import type { EndRecord } from './end-record.ts';
import { checkExtraFields } from './extra-fields.ts';
import {
  CENTRAL_BYTES,
  CENTRAL_SIGNATURE,
  DEFLATE,
  ENCRYPTED_FLAGS,
  END_BYTES,
  END_SIGNATURE,
  MAX_UINT32,
  PATCH_FLAG,
  STORED,
  UTF8_FLAG,
  viewOf,
} from './format.ts';
import { entryName } from './names.ts';

/** One central header, fit to be used: safely named, a plain file or a folder, stored or deflated. */
export interface CentralEntry {
  path: string;
  rawName: Uint8Array;
  isFolder: boolean;
  flags: number;
  method: number;
  crc32: number;
  size: number;
  compressedSize: number;
  /** Of the local header. */
  offset: number;
  /** MS-DOS date in the upper half, time in the lower. */
  time: number;
  hasExtra: boolean;
  hasComment: boolean;
}

/** On average: a name and a few short extra fields. The directory is held in memory. */
const MAX_HEADER_BYTES = 2_048;
const TYPE_MASK = 0o170000;
const TYPE_FILE = 0o100000;
const TYPE_FOLDER = 0o040000;
const DOS_FOLDER = 0x10;

/** The central directory, in its own order. Throws LayoutError; reads nothing but the directory. */
export async function readDirectory(source: ByteSource, end: EndRecord): Promise<CentralEntry[]> {
  const { directoryOffset, directorySize, entryCount } = end;
  if (directorySize > entryCount * MAX_HEADER_BYTES)
    throw new LayoutError(
      'inconsistent_directory',
      'The central directory is longer than its entries can be.',
    );
  const directory = await source.read(directoryOffset, directorySize);
  const names = rawNames(directory, entryCount);
  const entries = new Map<string, CentralEntry>();
  for await (const header of parse(directory, entryCount)) {
    const entry = checked(header, names[entries.size] ?? new Uint8Array());
    const { path } = entry;
    if (entries.has(path)) throw new LayoutError('duplicate_entry', `${path} is in the archive twice.`, path);
    entries.set(path, entry);
  }
  return [...entries.values()];
}

/** Walks the headers, which must fill the directory and be as many as the end of the archive says. */
function rawNames(directory: Uint8Array, entryCount: number): Uint8Array[] {
  const view = viewOf(directory);
  const names: Uint8Array[] = [];
  let offset = 0;
  while (offset + CENTRAL_BYTES <= directory.length && view.getUint32(offset, true) === CENTRAL_SIGNATURE) {
    const nameLength = view.getUint16(offset + 28, true);
    const start = offset + CENTRAL_BYTES;
    names.push(directory.subarray(start, start + nameLength));
    offset = start + nameLength + view.getUint16(offset + 30, true) + view.getUint16(offset + 32, true);
  }
  if (offset !== directory.length || names.length !== entryCount)
    throw new LayoutError(
      'inconsistent_directory',
      `The central directory does not hold the ${String(entryCount)} entries that the end of the archive says.`,
    );
  return names;
}

/**
 * The fields of each header, by zip.js. It gets the directory and an end record made for it, and nothing else: where
 * the directory is was settled before.
 */
async function* parse(directory: Uint8Array, entryCount: number): AsyncGenerator<EntryMetaData> {
  if (entryCount === 0) return;
  const bytes = new Uint8Array(directory.length + END_BYTES);
  bytes.set(directory);
  const view = viewOf(bytes);
  view.setUint32(directory.length, END_SIGNATURE, true);
  view.setUint16(directory.length + 8, entryCount, true);
  view.setUint16(directory.length + 10, entryCount, true);
  view.setUint32(directory.length + 12, directory.length, true);
  const reader = {
    size: bytes.length,
    readUint8Array: async (offset: number, length: number) => bytes.subarray(offset, offset + length),
    get readable() {
      return new Blob([bytes]).stream();
    },
  };
  const zip = new ZipReader(reader);
  try {
    // Names are checked from their bytes, for a reason of their own.
    yield* zip.getEntriesGenerator({ strictness: 'strict', filenameValidation: 'tolerant' });
  } catch {
    throw new LayoutError('inconsistent_directory', 'The central directory cannot be read.');
  }
}

function checked(header: EntryMetaData, rawName: Uint8Array): CentralEntry {
  const { rawBitFlag: flags = 0, compressionMethod: method, compressedSize, uncompressedSize: size } = header;
  const { crc32 = 0, offset, rawLastModDate, rawExtraField, rawComment } = header;
  const path = entryName(rawName, (flags & UTF8_FLAG) !== 0);
  const refuse = (reason: LayoutReason, message: string): LayoutError =>
    new LayoutError(reason, `${path} ${message}.`, path);
  if ((flags & ENCRYPTED_FLAGS) !== 0) throw refuse('encrypted_entry', 'is encrypted in the ZIP');
  if ((method !== STORED && method !== DEFLATE) || (flags & PATCH_FLAG) !== 0)
    throw refuse(
      'unsupported_compression',
      `is compressed with method ${String(method)}, not stored or deflated`,
    );
  if (
    header.diskNumberStart !== 0 ||
    size === MAX_UINT32 ||
    compressedSize === MAX_UINT32 ||
    offset === MAX_UINT32
  )
    throw refuse('inconsistent_directory', 'is on another disk or too large for a ZIP without ZIP64');
  if (rawExtraField.length > 0) checkExtraFields(rawExtraField, path);
  if (method === STORED && compressedSize !== size)
    throw refuse('inconsistent_directory', 'is stored, and yet has two different sizes');
  const isFolder = path.endsWith('/');
  checkType(header, isFolder, refuse);
  if (isFolder && size > 0) throw refuse('inconsistent_directory', 'is a folder with content');
  return {
    path,
    rawName,
    isFolder,
    flags,
    method,
    crc32,
    size,
    compressedSize,
    offset,
    time: Number(rawLastModDate),
    hasExtra: rawExtraField.length > 0,
    hasComment: rawComment.length > 0,
  };
}

/** Plain files and folders only, whatever system the entry says it is from: readers differ in whom they believe. */
function checkType(
  { externalFileAttributes: attributes }: EntryMetaData,
  isFolder: boolean,
  refuse: (reason: LayoutReason, message: string) => LayoutError,
): void {
  const type = (attributes >>> 16) & TYPE_MASK;
  if (type !== 0 && type !== TYPE_FILE && type !== TYPE_FOLDER)
    throw refuse('symlink_entry', 'is a link or a device, not a file');
  const saysFolder = type === TYPE_FOLDER || (attributes & DOS_FOLDER) !== 0;
  if (saysFolder !== isFolder && (saysFolder || type === TYPE_FILE))
    throw refuse('inconsistent_directory', 'is a file by its name or its type, and a folder by the other');
}
