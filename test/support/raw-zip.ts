import { crc32, deflateRawSync } from 'node:zlib';

/** One header's fields; what is left out follows from the entry. Numbers are written as they are, cut to their width. */
export interface RawHeader {
  signature?: number;
  name?: string | Uint8Array;
  flags?: number;
  method?: number;
  /** MS-DOS: 0 is midnight. */
  time?: number;
  /** MS-DOS: 0x21 is 1980-01-01. */
  date?: number;
  crc32?: number;
  compressedSize?: number;
  size?: number;
  extra?: Uint8Array;
}

/** One entry of a ZIP that may be wrong in any way. The fields of its header go into both headers. */
export interface RawEntry extends RawHeader {
  /** A string is written as UTF-8, and sets no flag: say `flags: 0x0800` for a name beyond ASCII. */
  name: string | Uint8Array;
  /** What unpacking should give; sizes and CRC follow from it. */
  content?: string | Uint8Array;
  /** Packs the content and sets method 8. */
  deflate?: boolean;
  /** The bytes that stand in the file instead of the packed content; sizes and CRC still follow from the content. */
  data?: Uint8Array;
  /** Sets flag bit 3, zeroes sizes and CRC in the local header and writes a data descriptor behind the data. */
  descriptor?: boolean;
  /** What only the local header says otherwise. */
  local?: RawHeader;
  /** Unix mode with its type, such as 0o120777 for a symlink. */
  mode?: number;
  /** Upper byte of "version made by": 3 is Unix, 0 is MS-DOS. */
  host?: number;
  /** Instead of `mode`: all 32 bits. */
  externalAttributes?: number;
  comment?: string | Uint8Array;
  /** Disk that the entry starts on. */
  disk?: number;
  /** Position of the local header, as the central directory tells it. */
  offset?: number;
  /** Bytes in front of the local header that belong to nothing. */
  before?: Uint8Array;
  /** Leaves out the local header and the data. */
  noLocal?: boolean;
  /** Leaves out the central header; the entry is not counted. */
  noCentral?: boolean;
}

/** Fields of the end of central directory record; what is left out is right. */
export interface RawEnd {
  signature?: number;
  disk?: number;
  directoryDisk?: number;
  entriesOnDisk?: number;
  entries?: number;
  directorySize?: number;
  directoryOffset?: number;
  commentLength?: number;
}

export interface RawZipOptions {
  /** In front of everything; offsets count it. */
  prefix?: Uint8Array;
  /** Between the last entry and the central directory. */
  beforeDirectory?: Uint8Array;
  /** Between the central directory and the end record. */
  afterDirectory?: Uint8Array;
  end?: RawEnd;
  comment?: string | Uint8Array;
  /** After the end record and its comment. */
  suffix?: Uint8Array;
  /** Central headers in this order, by place in `entries`; the order of `entries` when left out. */
  directoryOrder?: readonly number[];
}

const UTF8 = new TextEncoder();
const DESCRIPTOR_FLAG = 0x0008;
const NOTHING = new Uint8Array();

/**
 * A ZIP made to order, byte for byte as told: with nothing but names and contents it is a well-formed archive in the
 * format's own profile (STORED, 1980, Unix mode 0644, no extra fields) in the order given, and every field can be told
 * otherwise. Deterministic.
 */
export function rawZip(entries: readonly RawEntry[], options: RawZipOptions = {}): Uint8Array {
  const parts: Uint8Array[] = [];
  let offset = 0;
  const put = (part: Uint8Array = NOTHING): void => {
    parts.push(part);
    offset += part.length;
  };
  put(options.prefix);
  const central = entries.map((entry) => {
    const content = bytesOf(entry.content);
    const stored = entry.data ?? (entry.deflate ? new Uint8Array(deflateRawSync(content)) : content);
    const sums = {
      crc32: entry.crc32 ?? crc32(content),
      compressedSize: entry.compressedSize ?? stored.length,
      size: entry.size ?? content.length,
    };
    const flags = (entry.flags ?? 0) | (entry.descriptor ? DESCRIPTOR_FLAG : 0);
    const method = entry.method ?? (entry.deflate ? 8 : 0);
    const header = { ...entry, ...sums, flags, method };
    put(entry.before);
    const position = entry.offset ?? offset;
    if (!entry.noLocal) {
      const zeroed = entry.descriptor ? { crc32: 0, compressedSize: 0, size: 0 } : {};
      put(localHeader({ ...header, ...zeroed, ...entry.local }));
      put(stored);
      if (entry.descriptor) put(u32(0x08074b50, sums.crc32, sums.compressedSize, sums.size));
    }
    return entry.noCentral ? null : centralHeader(header, entry, position);
  });
  put(options.beforeDirectory);
  const ordered = options.directoryOrder?.map((place) => central[place] ?? null) ?? central;
  const headers = ordered.filter((header) => header !== null);
  const directoryOffset = offset;
  for (const header of headers) put(header);
  const directorySize = offset - directoryOffset;
  put(options.afterDirectory);
  const { end = {} } = options;
  const comment = bytesOf(options.comment);
  put(u32(end.signature ?? 0x06054b50));
  put(u16(end.disk ?? 0, end.directoryDisk ?? 0));
  put(u16(end.entriesOnDisk ?? end.entries ?? headers.length, end.entries ?? headers.length));
  put(u32(end.directorySize ?? directorySize, end.directoryOffset ?? directoryOffset));
  put(u16(end.commentLength ?? comment.length));
  put(comment);
  put(options.suffix);
  return concat(parts);
}

/** An extra field: its identifier, its length and its bytes. */
export function extraField(id: number, data: Uint8Array): Uint8Array {
  return concat([u16(id, data.length), data]);
}

function localHeader(header: RawHeader): Uint8Array {
  const name = bytesOf(header.name);
  const { extra = NOTHING } = header;
  return concat([
    u32(header.signature ?? 0x04034b50),
    common(header),
    u16(name.length, extra.length),
    name,
    extra,
  ]);
}

function centralHeader(header: RawHeader, entry: RawEntry, offset: number): Uint8Array {
  const name = bytesOf(header.name);
  const comment = bytesOf(entry.comment);
  const { extra = NOTHING } = header;
  return concat([
    u32(header.signature ?? 0x02014b50),
    u16(((entry.host ?? 3) << 8) | versionOf(header)),
    common(header),
    u16(name.length, extra.length, comment.length, entry.disk ?? 0, 0),
    u32(entry.externalAttributes ?? (entry.mode ?? 0o100644) * 0x10000, offset),
    name,
    extra,
    comment,
  ]);
}

/** What both headers have alike, from "version needed" to the unpacked size. */
function common(header: RawHeader): Uint8Array {
  const { flags = 0, method = 0, time = 0, date = 0x21 } = header;
  return concat([
    u16(versionOf(header), flags, method, time, date),
    u32(header.crc32 ?? 0, header.compressedSize ?? 0, header.size ?? 0),
  ]);
}

const versionOf = ({ method }: RawHeader): number => (method === 8 ? 20 : 10);

const bytesOf = (value: string | Uint8Array = NOTHING): Uint8Array =>
  typeof value === 'string' ? UTF8.encode(value) : value;

function u16(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 2));
  values.forEach((value, place) => {
    view.setUint16(place * 2, value, true);
  });
  return new Uint8Array(view.buffer);
}

function u32(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, place) => {
    view.setUint32(place * 4, value, true);
  });
  return new Uint8Array(view.buffer);
}

const concat = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
