import { LayoutError } from '../layout-error.ts';
import type { ByteSource, LayoutReason } from '../types.ts';
import type { EndRecord } from './end-record.ts';
import { checkExtraFields } from './extra-fields.ts';
import {
  CENTRAL_BYTES,
  CENTRAL_SIGNATURE,
  DEFLATE,
  ENCRYPTED_FLAGS,
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
  const entries = new Map<string, CentralEntry>();
  for (const header of headersOf(directory, entryCount)) {
    const entry = checked(header);
    const { path } = entry;
    if (entries.has(path)) throw new LayoutError('duplicate_entry', `${path} is in the archive twice.`, path);
    entries.set(path, entry);
  }
  return [...entries.values()];
}

/** Each header with all that belongs to it; they must fill the directory and be as many as the end of the archive says. */
function headersOf(directory: Uint8Array, entryCount: number): Uint8Array[] {
  const view = viewOf(directory);
  const headers: Uint8Array[] = [];
  let offset = 0;
  while (offset + CENTRAL_BYTES <= directory.length && view.getUint32(offset, true) === CENTRAL_SIGNATURE) {
    const start = offset;
    offset += CENTRAL_BYTES;
    for (const length of [28, 30, 32]) offset += view.getUint16(start + length, true);
    headers.push(directory.subarray(start, offset));
  }
  if (offset !== directory.length || headers.length !== entryCount)
    throw new LayoutError(
      'inconsistent_directory',
      `The central directory does not hold the ${String(entryCount)} entries that the end of the archive says.`,
    );
  return headers;
}

function checked(header: Uint8Array): CentralEntry {
  const view = viewOf(header);
  const short = (at: number) => view.getUint16(at, true);
  const long = (at: number) => view.getUint32(at, true);
  const [flags, method, crc32] = [short(8), short(10), long(16)];
  const [compressedSize, size, offset] = [long(20), long(24), long(42)];
  const nameEnd = CENTRAL_BYTES + short(28);
  const rawName = header.subarray(CENTRAL_BYTES, nameEnd);
  const extra = header.subarray(nameEnd, nameEnd + short(30));
  const path = entryName(rawName, (flags & UTF8_FLAG) !== 0);
  const refuse = (reason: LayoutReason, message: string): LayoutError =>
    new LayoutError(reason, `${path} ${message}.`, path);
  if ((flags & ENCRYPTED_FLAGS) !== 0) throw refuse('encrypted_entry', 'is encrypted in the ZIP');
  if ((method !== STORED && method !== DEFLATE) || (flags & PATCH_FLAG) !== 0)
    throw refuse(
      'unsupported_compression',
      `is compressed with method ${String(method)}, not stored or deflated`,
    );
  if (short(34) !== 0 || [size, compressedSize, offset].includes(MAX_UINT32))
    throw refuse('inconsistent_directory', 'is on another disk or too large for a ZIP without ZIP64');
  checkExtraFields(extra, path);
  if (method === STORED && compressedSize !== size)
    throw refuse('inconsistent_directory', 'is stored, and yet has two different sizes');
  const isFolder = path.endsWith('/');
  checkType(long(38), isFolder, refuse);
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
    time: long(12),
    hasExtra: extra.length > 0,
    hasComment: short(32) > 0,
  };
}

/** Plain files and folders only, whatever system the entry says it is from: readers differ in whom they believe. */
function checkType(
  attributes: number,
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
