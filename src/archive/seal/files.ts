import { MeshError } from '../../lib/errors.ts';
import type { ArchiveCrypto } from '../crypto/crypto.ts';
import { passingChunksOf } from '../source.ts';
import { ARCHIVE_LIMITS, type ByteSource, type FileInput } from '../types.ts';
import type { ZipFile } from '../zip/writer.ts';

/** A file whose bytes were read once: what the index says of it and what the container does. */
export interface PreparedFile extends ZipFile {
  /** 64-hex */
  sha256: string;
}

/** The first of two passes; the second is the writer's, which refuses what is not the same any more. */
export async function prepareFile(
  crypto: ArchiveCrypto,
  { path, content }: FileInput,
  signal?: AbortSignal,
): Promise<PreparedFile> {
  return content instanceof Uint8Array
    ? prepareBytes(crypto, path, content)
    : prepareSource(crypto, path, content, signal);
}

export async function prepareBytes(
  crypto: ArchiveCrypto,
  path: string,
  content: Uint8Array,
): Promise<PreparedFile> {
  const sha256 = await crypto.digestHex(content);
  return { path, size: content.length, crc32: crypto.crc32(content), sha256, content };
}

async function prepareSource(
  crypto: ArchiveCrypto,
  path: string,
  content: ByteSource,
  signal?: AbortSignal,
): Promise<PreparedFile> {
  const hasher = crypto.hasher();
  let crc32 = 0;
  for await (const chunk of passingChunksOf(content, 0, content.size)) {
    signal?.throwIfAborted();
    hasher.update(chunk);
    crc32 = crypto.crc32(chunk, crc32);
  }
  return { path, size: content.size, crc32, sha256: hasher.digestHex(), content };
}

/** Throws `too_large` for what readers refuse by their own limits. */
export function demandWithinLimits(sizes: readonly number[]): void {
  const { maxEntries, maxTotalBytes } = ARCHIVE_LIMITS;
  if (sizes.length > maxEntries)
    throw new MeshError(
      'too_large',
      `The archive would have ${String(sizes.length)} files; ${String(maxEntries)} are allowed.`,
    );
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total > maxTotalBytes)
    throw new MeshError(
      'too_large',
      `The files have ${String(total)} bytes together; ${String(maxTotalBytes)} are allowed.`,
    );
}

/** Bytes in a file draft. */
export const sizeOf = ({ content }: FileInput): number =>
  content instanceof Uint8Array ? content.length : content.size;
