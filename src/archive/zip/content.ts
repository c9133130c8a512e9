import { MeshError } from '../../lib/errors.ts';
import { LayoutError } from '../layout-error.ts';
import { PAUSE_BYTES, paceOf } from '../pause.ts';
import { chunksOf, MemorySource, passingChunksOf } from '../source.ts';
import type { ArchiveComponents, ArchiveEntry, ByteSink, Container } from '../types.ts';
import { inflated } from './inflate.ts';

/** Up to here one read and one hash are faster than a stream, and memory does not count. */
const SMALL_BYTES = 8_388_608;

type Components = Pick<ArchiveComponents, 'crypto'>;

/** Throws LayoutError `missing_required_file`. */
export function entryOf<T>({ entries }: { entries: ReadonlyMap<string, T> }, path: string): T {
  const entry = entries.get(path);
  if (entry === undefined) throw new LayoutError('missing_required_file', `${path} is missing.`, path);
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

/** An entry and the 64-hex hash of what is in it. */
export type HashedEntry = ArchiveEntry & { sha256: string };

/** A whole entry as it was verified before. Throws `unverified_archive` where it is not the same any more. */
export async function readHashed(
  { crypto }: Components,
  container: Container,
  entry: HashedEntry,
): Promise<Uint8Array> {
  const { bytes } = await readUnchecked({ crypto }, container, entry).catch(refuseAsChanged);
  return (await crypto.digestHex(bytes)) === entry.sha256 ? bytes : refuseAsChanged();
}

/** The same in pieces, which the sink may keep: throws only after it has had them. */
export async function streamHashed(
  components: Components,
  container: Container,
  entry: HashedEntry,
  look: ByteSink,
  signal?: AbortSignal,
): Promise<void> {
  const digesting = digestEntry(components, container, entry, { look, keep: true, signal });
  const { sha256 } = await digesting.catch(refuseAsChanged);
  if (sha256 !== entry.sha256) refuseAsChanged();
}

/** Once everything could be unpacked, what cannot be any more has changed. */
function refuseAsChanged(error?: unknown): never {
  if (error !== undefined && !(error instanceof LayoutError)) throw error;
  throw new MeshError('unverified_archive', 'The archive changed after it was verified.');
}

export interface DigestOptions {
  signal?: AbortSignal | undefined;
  /** Is shown the bytes that are hashed, piece by piece, and may keep them where `keep` says so. */
  look?: ByteSink | undefined;
  keep?: boolean;
}

/**
 * SHA-256 of the unpacked bytes, and whether they have the checksum of the ZIP; never the whole of a large file in
 * memory. Throws LayoutError `wrong_size` where other than the stated number of bytes come out.
 */
export async function digestEntry(
  components: Components,
  container: Container,
  entry: ArchiveEntry,
  { signal, look, keep = false }: DigestOptions = {},
): Promise<{ sha256: string; crcMatches: boolean }> {
  const { crypto } = components;
  signal?.throwIfAborted();
  const inMemory = container.source instanceof MemorySource && !entry.compressed;
  if (entry.size <= (inMemory ? PAUSE_BYTES : SMALL_BYTES)) {
    const { bytes, crcMatches } = await readUnchecked(components, container, entry);
    await look?.(bytes);
    return { sha256: await crypto.digestHex(bytes), crcMatches };
  }
  const pace = paceOf(signal);
  const digest = await digestChunks(
    crypto,
    contentOf(container, entry, keep ? chunksOf : passingChunksOf),
    async (chunk) => {
      await pace(chunk.length);
      await look?.(chunk);
    },
  );
  return { sha256: digest.sha256, crcMatches: digest.crc32 === entry.crc32 };
}

/** SHA-256 and CRC-32 of what comes in pieces; `each` is called before the next piece is asked for. */
export async function digestChunks(
  crypto: ArchiveComponents['crypto'],
  chunks: AsyncIterable<Uint8Array>,
  each: ByteSink,
): Promise<{ sha256: string; crc32: number }> {
  const hasher = crypto.hasher();
  let crc32 = 0;
  for await (const chunk of chunks) {
    await each(chunk);
    hasher.update(chunk);
    crc32 = crypto.crc32(chunk, crc32);
  }
  return { sha256: hasher.digestHex(), crc32 };
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
