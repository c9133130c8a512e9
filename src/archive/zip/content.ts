import { MeshError } from '../../lib/errors.ts';
import { joined } from '../canonical.ts';
import { LayoutError, missingFile } from '../layout-error.ts';
import { PAUSE_BYTES, Pace } from '../pause.ts';
import { chunksOf, MemorySource, passingChunksOf } from '../source.ts';
import type { ArchiveComponents, ArchiveEntry, ByteSink, Container } from '../types.ts';
import { inflated } from './inflate.ts';

/** Up to here one read and one hash are faster than a stream, and memory does not count. */
const SMALL_BYTES = 8_388_608;

type Components = Pick<ArchiveComponents, 'crypto'>;

/** Throws LayoutError `missing_required_file`. */
export function entryOf({ entries }: Container, path: string): ArchiveEntry {
  const entry = entries.get(path);
  if (entry === undefined) throw missingFile(path);
  return entry;
}

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
 * Gives the unpacked bytes to `sink`, in chunks that the sink may keep. What is wrong is known at the end only: throws
 * LayoutError `wrong_size`, `wrong_crc` after the sink has had bytes.
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

/** A whole entry as it was verified before. Throws `unverified_archive` where it is not the same any more. */
export async function readHashed(
  { crypto }: Components,
  container: Container,
  entry: ArchiveEntry,
  sha256: string,
): Promise<Uint8Array> {
  const { bytes } = await readUnchecked({ crypto }, container, entry).catch(rethrowAsChanged);
  if ((await crypto.digestHex(bytes)) !== sha256) throw changed();
  return bytes;
}

/** The same in pieces: throws only after the sink has had bytes. */
export async function streamHashed(
  { crypto }: Components,
  container: Container,
  entry: ArchiveEntry & { sha256: string },
  sink: ByteSink,
  signal?: AbortSignal,
): Promise<void> {
  const hasher = crypto.hasher();
  const hashing: ByteSink = (chunk) => {
    hasher.update(chunk);
    return sink(chunk);
  };
  await streamEntry({ crypto }, container, entry, hashing, signal).catch(rethrowAsChanged);
  if (hasher.digestHex() !== entry.sha256) throw changed();
}

const changed = (): MeshError =>
  new MeshError('unverified_archive', 'The archive changed after it was verified.');

/** Once everything could be unpacked, what cannot be any more has changed. */
function rethrowAsChanged(error: unknown): never {
  throw error instanceof LayoutError ? changed() : error;
}

/**
 * SHA-256 of the unpacked bytes, and whether they have the checksum of the ZIP; never the whole of a large file in
 * memory. Throws LayoutError `wrong_size` where other than the stated number of bytes come out.
 */
export async function digestEntry(
  components: Components,
  container: Container,
  entry: ArchiveEntry,
  /** `look` is shown the bytes that are hashed, piece by piece; they are not to be kept. */
  {
    signal,
    look,
  }: { signal?: AbortSignal | undefined; look?: ((chunk: Uint8Array) => void) | undefined } = {},
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
  return joined('', ...chunks);
}

const wrongCrc = ({ path }: ArchiveEntry): LayoutError =>
  new LayoutError('wrong_crc', `${path} does not have the checksum that the archive states.`, path);
