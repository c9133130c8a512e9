import type { ArchiveEvent } from '../../../protocols/archive/v1/schema.ts';
import { eventsToLines } from '../chain.ts';
import type { ArchiveCrypto } from '../crypto/crypto.ts';
import { EVENT_LIMITS, MAX_CHAIN_BYTES, MAX_EVENTS } from '../documents.ts';
import { passingChunksOf } from '../source.ts';
import { ARCHIVE_LIMITS, type FileInput } from '../types.ts';
import { digestChunks } from '../zip/content.ts';
import type { ZipFile } from '../zip/writer.ts';
import { demandAtMost } from './checks.ts';

/** A file whose bytes were read once: what the index says of it and what the container does. */
export interface PreparedFile extends ZipFile {
  /** 64-hex */
  sha256: string;
}

export async function prepareBytes(
  crypto: ArchiveCrypto,
  path: string,
  content: Uint8Array,
): Promise<PreparedFile> {
  const sha256 = await crypto.digestHex(content);
  return { path, size: content.length, crc32: crypto.crc32(content), sha256, content };
}

/** The first of two passes; the second is the writer's, which refuses what is not the same any more. */
export async function prepareFiles(
  crypto: ArchiveCrypto,
  files: readonly FileInput[],
  signal?: AbortSignal,
): Promise<PreparedFile[]> {
  const prepared: PreparedFile[] = [];
  for (const { path, content } of files) {
    if (content instanceof Uint8Array) {
      prepared.push(await prepareBytes(crypto, path, content));
      continue;
    }
    const chunks = passingChunksOf(content, 0, content.size);
    const digest = await digestChunks(crypto, chunks, () => signal?.throwIfAborted());
    prepared.push({ path, size: content.size, ...digest, content });
  }
  return prepared;
}

/** Before anything large is read. Throws `too_large`. */
export function demandWithinLimits(files: readonly FileInput[]): void {
  const sizes = files.map(({ content }) => (content instanceof Uint8Array ? content.length : content.size));
  demandAtMost(ARCHIVE_LIMITS.maxEntries, sizes.length, 'files in an archive');
  const total = sizes.reduce((sum, size) => sum + size, 0);
  demandAtMost(ARCHIVE_LIMITS.maxTotalBytes, total, 'bytes in all files of an archive');
}

/** Lines of `chain/events.jsonl` that a reader takes behind `before` bytes that are there. Throws `too_large`. */
export function chainLines(events: readonly ArchiveEvent[], before = 0): Uint8Array {
  demandAtMost(MAX_EVENTS, events.at(-1)?.seq ?? 0, 'events in a chain');
  const lines = eventsToLines(events);
  if (lines.length > EVENT_LIMITS.maxBytes) {
    for (const event of events)
      demandAtMost(
        EVENT_LIMITS.maxBytes,
        eventsToLines([event]).length,
        `bytes in event ${String(event.seq)}`,
      );
  }
  demandAtMost(MAX_CHAIN_BYTES, before + lines.length, 'bytes in a chain');
  return lines;
}
