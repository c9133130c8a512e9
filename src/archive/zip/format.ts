/* Numbers of the ZIP format (APPNOTE 4.3, 4.4), as far as this format's profile of it goes. */

/** How each record begins, and its length in bytes without the parts that have a length of their own. */
export const LOCAL = { signature: 0x04034b50, bytes: 30 } as const;
export const CENTRAL = { signature: 0x02014b50, bytes: 46 } as const;
export const END = { signature: 0x06054b50, bytes: 22 } as const;
export const ZIP64_LOCATOR = { signature: 0x07064b50, bytes: 20 } as const;
/** Data descriptor with its optional signature. */
export const DESCRIPTOR_BYTES = 16;

export const MAX_UINT16 = 0xffff;
export const MAX_UINT32 = 0xffffffff;

export const METHOD = { stored: 0, deflate: 8 } as const;
export const FLAGS = {
  /** Either kind of encryption, and masked headers. */
  encrypted: 0x0001 | 0x0040 | 0x2000,
  /** Sizes and CRC come after the data. */
  descriptor: 0x0008,
  /** The data is a patch to something else. */
  patch: 0x0020,
  /** The name is UTF-8. */
  utf8: 0x0800,
} as const;

/** Extra fields that give a second size (ZIP64) or a second name (Unicode path). */
export const SECOND_VALUE_FIELDS: ReadonlySet<number> = new Set([0x0001, 0x7075]);

/** 1980-01-01T00:00, the date in the upper half: the only time of this format. */
export const EPOCH_DOS = 0x00210000;

export const HOST_UNIX = 3;
export const REGULAR_FILE_MODE = 0o100644;

export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** What both headers of an entry say of it, from its "version needed" at `start` on (APPNOTE 4.3.7, 4.3.12). */
export function sharedFields(view: DataView, start: number) {
  const short = (offset: number) => view.getUint16(start + offset, true);
  const long = (offset: number) => view.getUint32(start + offset, true);
  return {
    flags: short(2),
    method: short(4),
    /** MS-DOS date in the upper half, time in the lower. */
    time: long(6),
    crc32: long(10),
    compressedSize: long(14),
    size: long(18),
    nameLength: short(22),
    extraLength: short(24),
  };
}
export type SharedFields = ReturnType<typeof sharedFields>;
