import { inconsistent, LayoutError } from '../layout-error.ts';
import type { ByteSource, LayoutReason } from '../types.ts';
import type { EndRecord } from './end-record.ts';
import {
  CENTRAL,
  FLAGS,
  MAX_UINT32,
  METHOD,
  SECOND_VALUE_FIELDS,
  type SharedFields,
  sharedFields,
  viewOf,
} from './format.ts';
import { entryName } from './names.ts';

/** One central header, fit to be used: safely named, a plain file or a folder, stored or deflated. */
export interface CentralEntry extends SharedFields {
  path: string;
  rawName: Uint8Array;
  isFolder: boolean;
  /** Of the local header. */
  offset: number;
  /** Of the first byte of data; known once the local header was read. */
  dataOffset: number;
  /** In either header. */
  hasExtra: boolean;
  hasComment: boolean;
}

/** On average: a name and a few short extra fields. The directory is held in memory. */
const MAX_HEADER_BYTES = 2_048;
const FIELD_HEADER_BYTES = 4;
const TYPE_MASK = 0o170000;
const TYPE_FILE = 0o100000;
const TYPE_FOLDER = 0o040000;
const DOS_FOLDER = 0x10;

/** The central directory, in its own order. Throws LayoutError; reads nothing but the directory. */
export async function readDirectory(source: ByteSource, end: EndRecord): Promise<CentralEntry[]> {
  const { directoryOffset, directorySize, entryCount } = end;
  if (directorySize > entryCount * MAX_HEADER_BYTES)
    throw inconsistent('The central directory is longer than its entries can be.');
  const directory = await source.read(directoryOffset, directorySize);
  const paths = new Set<string>();
  return headersOf(directory, entryCount).map((header) => {
    const entry = checked(header);
    const { path } = entry;
    if (paths.has(path)) throw new LayoutError('duplicate_entry', `${path} is in the archive twice.`, path);
    paths.add(path);
    return entry;
  });
}

/** Each header with all that belongs to it; they must fill the directory and be as many as the end of the archive says. */
function headersOf(directory: Uint8Array, entryCount: number): Uint8Array[] {
  const view = viewOf(directory);
  const headers: Uint8Array[] = [];
  let offset = 0;
  while (offset + CENTRAL.bytes <= directory.length && view.getUint32(offset, true) === CENTRAL.signature) {
    const start = offset;
    offset += CENTRAL.bytes;
    for (const length of [28, 30, 32]) offset += view.getUint16(start + length, true);
    headers.push(directory.subarray(start, offset));
  }
  if (offset !== directory.length || headers.length !== entryCount)
    throw inconsistent(
      `The central directory does not hold the ${String(entryCount)} entries that the end of the archive says.`,
    );
  return headers;
}

function checked(header: Uint8Array): CentralEntry {
  const view = viewOf(header);
  const fields = sharedFields(view, 6);
  const { flags, method, compressedSize, size, nameLength, extraLength } = fields;
  const offset = view.getUint32(42, true);
  const nameEnd = CENTRAL.bytes + nameLength;
  const rawName = header.subarray(CENTRAL.bytes, nameEnd);
  const path = entryName(rawName, (flags & FLAGS.utf8) !== 0);
  const refuse = (reason: LayoutReason, clause: string) =>
    new LayoutError(reason, `${path} ${clause}.`, path);
  if ((flags & FLAGS.encrypted) !== 0) throw refuse('encrypted_entry', 'is encrypted in the ZIP');
  if ((method !== METHOD.stored && method !== METHOD.deflate) || (flags & FLAGS.patch) !== 0)
    throw refuse(
      'unsupported_compression',
      `is compressed with method ${String(method)}, not stored or deflated`,
    );
  if (view.getUint16(34, true) !== 0 || [size, compressedSize, offset].includes(MAX_UINT32))
    throw refuse('inconsistent_directory', 'is on another disk or too large for a ZIP without ZIP64');
  checkExtraFields(header.subarray(nameEnd, nameEnd + extraLength), path);
  if (method === METHOD.stored && compressedSize !== size)
    throw refuse('inconsistent_directory', 'is stored, and yet has two different sizes');
  const isFolder = path.endsWith('/');
  // Plain files and folders only, whatever system the entry says it is from: readers differ in whom they believe.
  const attributes = view.getUint32(38, true);
  const type = (attributes >>> 16) & TYPE_MASK;
  if (type !== 0 && type !== TYPE_FILE && type !== TYPE_FOLDER)
    throw refuse('symlink_entry', 'is a link or a device, not a file');
  const saysFolder = type === TYPE_FOLDER || (attributes & DOS_FOLDER) !== 0;
  if (saysFolder !== isFolder && (saysFolder || type === TYPE_FILE))
    throw refuse('inconsistent_directory', 'is a file by its name or its type, and a folder by the other');
  if (isFolder && size > 0) throw refuse('inconsistent_directory', 'is a folder with content');
  const [hasExtra, hasComment] = [extraLength > 0, view.getUint16(32, true) > 0];
  return { ...fields, path, rawName, isFolder, offset, dataOffset: 0, hasExtra, hasComment };
}

/** Refuses extra fields that cannot be told apart, and those that give the entry a second size or a second name. */
export function checkExtraFields(extra: Uint8Array, path: string): void {
  const view = viewOf(extra);
  let offset = 0;
  while (offset + FIELD_HEADER_BYTES <= extra.length) {
    const id = view.getUint16(offset, true);
    if (SECOND_VALUE_FIELDS.has(id)) throw inconsistent(`${path} has a second size or a second name.`, path);
    offset += FIELD_HEADER_BYTES + view.getUint16(offset + 2, true);
  }
  if (offset !== extra.length) throw inconsistent(`${path} has a broken extra field.`, path);
}
