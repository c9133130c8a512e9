import { MeshError } from '../lib/errors.ts';
import { LayoutError, missingFile } from './layout-error.ts';
import type { ArchiveComponents, ArchiveEntry, ByteSink, Container, OpenedArchive } from './types.ts';
import { readUnchecked, streamEntry } from './zip/content.ts';

/**
 * Files of an archive that was verified, checked once more whenever they are read: what lies on a disk may have changed
 * since, and a checksum is no proof against somebody. Only files of the content index are there.
 */
export class VerifiedFiles {
  readonly #components: Pick<ArchiveComponents, 'crypto'>;
  readonly #container: Container;
  readonly #hashes: ReadonlyMap<string, string>;

  constructor(
    components: Pick<ArchiveComponents, 'crypto'>,
    { container, manifest }: Pick<OpenedArchive, 'container' | 'manifest'>,
  ) {
    this.#components = components;
    this.#container = container;
    this.#hashes = new Map(manifest.content_index.files.map(({ path, sha256 }) => [path, sha256]));
  }

  has(path: string): boolean {
    return this.#hashes.has(path) && this.#container.entries.has(path);
  }

  /** The whole file. Throws LayoutError `missing_required_file`, and `unverified_archive` where it changed. */
  async read(path: string): Promise<Uint8Array> {
    const { entry, sha256 } = this.#find(path);
    return readHashed(this.#components, this.#container, entry, sha256);
  }

  /**
   * The file in pieces that the sink may keep. As `read`, but that it changed is known at the end only: until then the
   * sink has nothing that may be used.
   */
  async stream(path: string, sink: ByteSink, signal?: AbortSignal): Promise<void> {
    const { entry, sha256 } = this.#find(path);
    const hasher = this.#components.crypto.hasher();
    const hashing: ByteSink = (chunk) => {
      hasher.update(chunk);
      return sink(chunk);
    };
    await unchanged(() => streamEntry(this.#components, this.#container, entry, hashing, signal));
    if (hasher.digestHex() !== sha256) throw changed();
  }

  #find(path: string): { entry: ArchiveEntry; sha256: string } {
    const entry = this.#container.entries.get(path);
    const sha256 = this.#hashes.get(path);
    if (entry === undefined || sha256 === undefined) throw missingFile(path);
    return { entry, sha256 };
  }
}

/** A whole file with the hash that was verified before. Throws `unverified_archive` for any other. */
export async function readHashed(
  { crypto }: Pick<ArchiveComponents, 'crypto'>,
  container: Container,
  entry: ArchiveEntry,
  sha256: string,
): Promise<Uint8Array> {
  const { bytes } = await unchanged(() => readUnchecked({ crypto }, container, entry));
  if ((await crypto.digestHex(bytes)) !== sha256) throw changed();
  return bytes;
}

/** Once everything could be unpacked, what cannot be any more has changed. */
async function unchanged<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof LayoutError ? changed() : error;
  }
}

const changed = (): MeshError =>
  new MeshError('unverified_archive', 'The archive changed after it was verified.');
