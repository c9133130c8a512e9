import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { MeshError } from '../lib/errors.ts';

/** Files of one folder: a console has some dozens. */
const MAX_FILES = 512;
/** All of them are kept in memory. */
const MAX_BYTES = 32 * 1024 * 1024;

/** What is served; a file of any other kind in the folder is a mistake, and ends the start. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ['.css', 'text/css; charset=utf-8'],
  ['.html', 'text/html; charset=utf-8'],
  ['.ico', 'image/x-icon'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.json', 'application/json'],
  ['.png', 'image/png'],
  ['.svg', 'image/svg+xml'],
  ['.webmanifest', 'application/manifest+json'],
  ['.woff2', 'font/woff2'],
]);
/** Compressed forms that the build writes beside a file, best first: the extension, and the name in `Accept-Encoding`. */
const ENCODINGS = [
  ['.br', 'br'],
  ['.gz', 'gzip'],
] as const;

type Encoding = (typeof ENCODINGS)[number][1] | 'identity';

export interface Variant {
  encoding: Encoding;
  bytes: Buffer;
  etag: string;
}

export interface Asset {
  /** Below the folder, with slashes: `assets/app-3f9c2a71.js`. */
  path: string;
  type: string;
  /** In `assets/` names carry a hash of what they hold, so nothing there ever changes. */
  immutable: boolean;
  /** Best encoding first; the last is the file as it is. */
  variants: Variant[];
}

/**
 * Every file of a folder of built assets, in memory, with what was compressed beside it. No request ever becomes a path of the
 * disk: what is not here is not there. Throws `too_large`, and `internal` for a kind of file that is not served.
 */
export async function readAssets(folder: string): Promise<Asset[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
  if (paths.length > MAX_FILES)
    throw new MeshError('too_large', `${folder} has more than ${MAX_FILES} files.`);
  const files = new Map<string, Buffer>();
  let bytes = 0;
  for (const path of paths.sort()) {
    const file = await readFile(path);
    bytes += file.length;
    if (bytes > MAX_BYTES) throw new MeshError('too_large', `${folder} has more than ${MAX_BYTES} bytes.`);
    files.set(relative(folder, path).replaceAll(sep, '/'), file);
  }
  const plain = [...files].filter(([path]) => !ENCODINGS.some(([extension]) => path.endsWith(extension)));
  return plain.map(([path, file]) => assetOf(path, file, files));
}

function assetOf(path: string, file: Buffer, files: ReadonlyMap<string, Buffer>): Asset {
  const type = TYPES.get(extname(path));
  if (type === undefined) throw new MeshError('internal', `${path} is of no kind that is served.`);
  const variants: Variant[] = [];
  for (const [extension, encoding] of ENCODINGS) {
    const compressed = files.get(path + extension);
    if (compressed !== undefined) variants.push(variantOf(encoding, compressed));
  }
  return {
    path,
    type,
    immutable: path.startsWith('assets/'),
    variants: [...variants, variantOf('identity', file)],
  };
}

function variantOf(encoding: Encoding, bytes: Buffer): Variant {
  return { encoding, bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` };
}

/** The smallest that the client reads. */
export function variantFor({ variants }: Asset, acceptEncoding = ''): Variant | undefined {
  const accepted = new Set(
    acceptEncoding
      .split(',')
      .map((each) => each.trim().toLowerCase())
      .filter((each) => !/;\s*q=0(\.0*)?$/.test(each))
      .map((each) => each.split(';', 1)[0]),
  );
  return variants.find(({ encoding }) => encoding === 'identity' || accepted.has(encoding));
}

/** Whether the client has it already: one of the tags in `If-None-Match`. */
export function isKnown({ etag }: Variant, ifNoneMatch = ''): boolean {
  return ifNoneMatch.split(',').some((each) => each.trim().replace(/^W\//, '') === etag);
}
