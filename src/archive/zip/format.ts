/** Numbers of the ZIP format (APPNOTE 4.3, 4.4), as far as this format's profile of it goes. */

export const LOCAL_SIGNATURE = 0x04034b50;
export const LOCAL_BYTES = 30;
export const CENTRAL_SIGNATURE = 0x02014b50;
export const CENTRAL_BYTES = 46;
export const END_SIGNATURE = 0x06054b50;
export const END_BYTES = 22;
export const ZIP64_LOCATOR_SIGNATURE = 0x07064b50;
export const ZIP64_LOCATOR_BYTES = 20;
/** Data descriptor with its optional signature. */
export const DESCRIPTOR_BYTES = 16;

export const MAX_UINT16 = 0xffff;
export const MAX_UINT32 = 0xffffffff;

export const STORED = 0;
export const DEFLATE = 8;

/** Either kind of encryption, and masked headers. */
export const ENCRYPTED_FLAGS = 0x0001 | 0x0040 | 0x2000;
/** Sizes and CRC come after the data. */
export const DESCRIPTOR_FLAG = 0x0008;
/** The data is a patch to something else. */
export const PATCH_FLAG = 0x0020;
/** The name is UTF-8. */
export const UTF8_FLAG = 0x0800;

/** Extra fields that give a second size or a second name. */
export const ZIP64_FIELD = 0x0001;
export const UNICODE_PATH_FIELD = 0x7075;

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
