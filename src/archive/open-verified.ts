import { MeshError } from '../lib/errors.ts';
import type {
  ArchiveComponents,
  ByteSink,
  ByteSource,
  Container,
  OpenedArchive,
  VerifyOptions,
} from './types.ts';
import { verifyLayers } from './verify.ts';
import { entryOf, type HashedEntry, readHashed, streamHashed } from './zip/content.ts';

/**
 * An archive to work with: verified first, so that nothing of one that fails can reach anybody (archive-v0.6
 * "Hydration"). Throws `invalid_archive` where it cannot be read, `unverified_archive` where it does not verify, with
 * the failing areas and findings as detail; `not_a_recipient`; and `key_required` for an encrypted one
 * without a recipient's secret.
 */
export async function openArchive(
  components: ArchiveComponents,
  input: Uint8Array | ByteSource,
  options: VerifyOptions = {},
): Promise<OpenedArchive> {
  const { verification, plain, decryption } = await verifyLayers(components, input, options);
  const { ok, readable, failing, findings, events } = verification;
  const first = findings[0]?.message ?? 'it is malformed';
  if (!readable)
    throw new MeshError('invalid_archive', `The archive cannot be read: ${first}.`, { findings });
  if (!ok) {
    const message = `The archive does not verify (${failing.join(', ')}): ${first}.`;
    throw new MeshError('unverified_archive', message, { failing, findings });
  }
  if (!plain?.container || plain.manifest === null || plain.envelope === null)
    throw new MeshError('key_required', "The archive is encrypted: a recipient's key is needed to open it.");
  const { container, manifest, envelope } = plain;
  return { verification, container, manifest, envelope, events, decryption };
}

/**
 * Files of an archive that was verified, checked once more whenever they are read: what lies on a disk may have changed
 * since, and a checksum is no proof against somebody. Only files of the content index are there.
 */
export class VerifiedFiles {
  readonly entries: ReadonlyMap<string, HashedEntry>;
  readonly #components: Pick<ArchiveComponents, 'crypto'>;
  readonly #container: Container;

  constructor(
    components: Pick<ArchiveComponents, 'crypto'>,
    { container, manifest }: Pick<OpenedArchive, 'container' | 'manifest'>,
  ) {
    this.#components = components;
    this.#container = container;
    const entries = new Map<string, HashedEntry>();
    for (const { path, sha256 } of manifest.content_index.files) {
      const entry = container.entries.get(path);
      if (entry !== undefined) entries.set(path, { ...entry, sha256 });
    }
    this.entries = entries;
  }

  has(path: string): boolean {
    return this.entries.has(path);
  }

  /** The whole file. Throws LayoutError `missing_required_file`, and `unverified_archive` where it changed. */
  async read(path: string): Promise<Uint8Array> {
    return readHashed(this.#components, this.#container, entryOf(this, path));
  }

  /**
   * The file in pieces that the sink may keep. As `read`, but that it changed is known at the end only: until then the
   * sink has nothing that may be used.
   */
  async stream(path: string, sink: ByteSink, signal?: AbortSignal): Promise<void> {
    await streamHashed(this.#components, this.#container, entryOf(this, path), sink, signal);
  }
}
