import { LayoutError } from '../layout-error.ts';
import { PAUSE_BYTES, Pace } from '../pause.ts';
import { chunksOf, MemorySource, passingChunksOf } from '../source.ts';
import type { ArchiveComponents, ArchiveEntry, ByteSink, Container } from '../types.ts';
import { inflated } from './inflate.ts';

/** Up to here one read and one hash are faster than a stream, and memory does not count. */
const SMALL_BYTES = 8_388_608;

type Components = Pick<ArchiveComponents, 'crypto'>;

/** The unpacked bytes, which may share memory with the source. Throws LayoutError `wrong_size`, `wrong_crc`. */
export async function readEntry(
  components: Components,
  container: Container,
  entry: ArchiveEntry,
): Promise<Uint8Array> {
  const { bytes, crcMatches } = await readUnchecked(components, container, entry);
  if (!crcMatches) throw wrongCrc(entry);
  return bytes;
}

/** As `readEntry`, and leaves to the caller what to make of a wrong checksum. */
export async function readUnchecked(
  { crypto }: Components,
  container: Container,
  entry: ArchiveEntry,
): Promise<{ bytes: Uint8Array; crcMatches: boolean }> {
  const bytes = entry.compressed
    ? await collected(container, entry)
    : await container.source.read(entry.dataOffset, entry.size);
  return { bytes, crcMatches: crypto.crc32(bytes) === entry.crc32 };
}

/**
 * Gives the unpacked bytes to `sink`, in chunks that the sink may keep. What is wrong is known at the end only: throws LayoutError `wrong_size`, `wrong_crc` after the sink has had bytes.
 */
export async function streamEntry(
  { crypto }: Components,
  container: Container,
  entry: ArchiveEntry,
  sink: ByteSink,
  signal?: AbortSignal,
): Promise<void> {
  let crc = 0;
  for await (const chunk of contentOf(container, entry)) {
    signal?.throwIfAborted();
    crc = crypto.crc32(chunk, crc);
    await sink(chunk);
  }
  if (crc !== entry.crc32) throw wrongCrc(entry);
}

export interface DigestOptions {
  signal?: AbortSignal | undefined;
  /** Is shown the bytes that are hashed, piece by piece; they are not to be kept. */
  look?: ((chunk: Uint8Array) => void) | undefined;
}

/**
 * SHA-256 of the unpacked bytes, and whether they have the checksum of the ZIP; never the whole of a large file in
 * memory. Throws LayoutError `wrong_size` where other than the stated number of bytes come out.
 */
export async function digestEntry(
  components: Components,
  container: Container,
  entry: ArchiveEntry,
  { signal, look }: DigestOptions = {},
): Promise<{ sha256: string; crcMatches: boolean }> {
  const { crypto } = components;
  signal?.throwIfAborted();
  const inMemory = container.source instanceof MemorySource && !entry.compressed;
  if (entry.size <= (inMemory ? PAUSE_BYTES : SMALL_BYTES)) {
    const { bytes, crcMatches } = await readUnchecked(components, container, entry);
    look?.(bytes);
    return { sha256: await crypto.digestHex(bytes), crcMatches };
  }
  const hasher = crypto.hasher();
  let crc = 0;
  const pace = new Pace(signal);
  for await (const chunk of contentOf(container, entry, passingChunksOf)) {
    await pace.after(chunk.length);
    look?.(chunk);
    hasher.update(chunk);
    crc = crypto.crc32(chunk, crc);
  }
  return { sha256: hasher.digestHex(), crcMatches: crc === entry.crc32 };
}

function contentOf(
  { source }: Container,
  entry: ArchiveEntry,
  chunks: typeof chunksOf = chunksOf,
): AsyncIterable<Uint8Array> {
  const { dataOffset, compressedSize, compressed } = entry;
  // Unpacking copies what it reads, so that it may always be memory that is used again.
  return compressed
    ? inflated(passingChunksOf(source, dataOffset, compressedSize), entry)
    : chunks(source, dataOffset, compressedSize);
}

async function collected(container: Container, entry: ArchiveEntry): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of contentOf(container, entry)) chunks.push(chunk);
  const bytes = new Uint8Array(entry.size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

const wrongCrc = ({ path }: ArchiveEntry): LayoutError =>
  new LayoutError('wrong_crc', `${path} does not have the checksum that the archive states.`, path);
