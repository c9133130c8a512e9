import type { IndexedFile } from '../../../protocols/archive/v1/schema.ts';
import { VerifiedFiles } from '../open-verified.ts';
import type { ArchiveComponents, ArchiveEntry, ByteSource, Container, OpenedArchive } from '../types.ts';
import { OWN_PATHS } from './draft-files.ts';
import type { PreparedFile } from './files.ts';

/**
 * The files of an archive that was verified, to be sealed again but for those that are `replaced`: as they are, read
 * from where they are, and not hashed again. Only a compressed one comes into memory.
 */
export async function keptFiles(
  components: ArchiveComponents,
  { container, manifest }: OpenedArchive,
  replaced: ReadonlySet<string>,
): Promise<PreparedFile[]> {
  const verified = new VerifiedFiles(components, { container, manifest });
  const hashes = new Map(manifest.content_index.files.map(({ path, sha256 }) => [path, sha256]));
  const files: PreparedFile[] = [];
  for (const [path, entry] of container.entries) {
    const sha256 = hashes.get(path);
    if (OWN_PATHS.has(path) || replaced.has(path) || sha256 === undefined) continue;
    const content = entry.compressed ? await verified.read(path) : sourceOf(container, entry);
    files.push({ path, size: entry.size, crc32: entry.crc32, sha256, content });
  }
  return files;
}

/** Files of the archive that are there with other bytes now, and what their hashes were. */
export function replacedFiles({ manifest }: OpenedArchive, added: readonly PreparedFile[]): IndexedFile[] {
  const hashes = new Map(added.map(({ path, sha256 }) => [path, sha256]));
  return manifest.content_index.files
    .filter(({ path, sha256 }) => (hashes.get(path) ?? sha256) !== sha256)
    .map(({ path, sha256 }) => ({ path, sha256 }));
}

function sourceOf({ source }: Container, { size, dataOffset }: ArchiveEntry): ByteSource {
  return { size, read: (offset, length) => source.read(dataOffset + offset, length) };
}
