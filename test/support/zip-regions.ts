import { rawZip } from './raw-zip.ts';

/** What one byte of an archive is for. */
export interface Region {
  /** `central header: time`, `data`. */
  name: string;
  /** The file whose data it is. */
  path?: string;
}

type Field = readonly [name: string, bytes: number];

const COMMON: readonly Field[] = [
  ['version needed', 2],
  ['flags', 2],
  ['method', 2],
  ['time', 2],
  ['date', 2],
  ['crc-32', 4],
  ['compressed size', 4],
  ['size', 4],
  ['name length', 2],
  ['extra length', 2],
];
const LOCAL: readonly Field[] = [['signature', 4], ...COMMON];
const CENTRAL: readonly Field[] = [
  ['signature', 4],
  ['version made by', 2],
  ...COMMON,
  ['comment length', 2],
  ['disk', 2],
  ['internal attributes', 2],
  ['external attributes', 4],
  ['offset', 4],
];
const END: readonly Field[] = [
  ['signature', 4],
  ['disk', 2],
  ['directory disk', 2],
  ['entries on disk', 2],
  ['entries', 2],
  ['directory size', 4],
  ['directory offset', 4],
  ['comment length', 2],
];

/**
 * The region of every byte of a ZIP as a conforming writer makes it: stored, without extra fields, comments or gaps.
 * Throws for any other, and where the bytes do not add up to the file.
 */
export function zipRegions(bytes: Uint8Array): Region[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const regions: Region[] = [];
  const put = (name: string, length: number, path?: string): void => {
    for (let left = length; left > 0; left -= 1) regions.push(path === undefined ? { name } : { name, path });
  };
  const fields = (header: string, list: readonly Field[]): void => {
    for (const [name, length] of list) put(`${header}: ${name}`, length);
  };
  const text = (at: number, length: number) => new TextDecoder().decode(bytes.subarray(at, at + length));
  for (;;) {
    const at = regions.length;
    const signature = view.getUint32(at, true);
    if (signature === 0x04034b50) {
      const nameLength = view.getUint16(at + 26, true);
      fields('local header', LOCAL);
      put('local header: name', nameLength);
      put('data', view.getUint32(at + 18, true), text(at + 30, nameLength));
    } else if (signature === 0x02014b50) {
      fields('central header', CENTRAL);
      put('central header: name', view.getUint16(at + 28, true));
    } else {
      fields('end record', END);
      if (signature !== 0x06054b50 || regions.length !== bytes.length)
        throw new Error(`There is more in the archive than is known, at ${String(at)}.`);
      return regions;
    }
  }
}

/** The same archive with other bytes in one file and every checksum right: what a forger would make of it. */
export function withFile(bytes: Uint8Array, path: string, change: (content: Uint8Array) => void): Uint8Array {
  const files = new Map<string, number[]>();
  for (const [at, region] of zipRegions(bytes).entries()) {
    if (region.path === undefined) continue;
    const content = files.get(region.path) ?? [];
    content.push(bytes[at] ?? 0);
    files.set(region.path, content);
  }
  const entries = [...files].map(([name, content]) => ({ name, content: Uint8Array.from(content) }));
  for (const { name, content } of entries) if (name === path) change(content);
  return rawZip(entries);
}
