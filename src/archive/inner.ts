import type { DecryptionMetadata, Envelope, Manifest } from '../../protocols/archive/v1/schema.ts';
import { parseDecryption } from './documents.ts';
import { decryptContent } from './encryption.ts';
import { missingFile } from './layout-error.ts';
import { PATHS } from './paths.ts';
import type { ArchiveComponents, Container } from './types.ts';
import { readEntry } from './zip/content.ts';

/** An encrypted archive's outer layer. */
export interface OuterLayer {
  container: Container;
  manifest: Manifest;
  envelope: Envelope;
}

/**
 * Decrypts the inner archive, whole and in memory, since not a byte of it may be used before its tag was checked
 * (archive-v0.6 "Encryption"). Throws LayoutError, `not_a_recipient`, and `unverified_archive` where a tag does not fit.
 */
export async function decryptInner(
  components: ArchiveComponents,
  { container, manifest, envelope }: OuterLayer,
  secret: Uint8Array,
): Promise<{ bytes: Uint8Array; metadata: DecryptionMetadata }> {
  const metadata = parseDecryption(await readFileOf(components, container, PATHS.decryption));
  const binding = {
    capsuleId: envelope.capsule_id,
    firstEventHash: envelope.first_event_hash,
    originatorPublicKey: manifest.originator.public_key,
  };
  const ciphertext = await readFileOf(components, container, PATHS.blob);
  return { bytes: decryptContent(components, { ...binding, metadata, secret }, ciphertext), metadata };
}

/** A whole file of a container. Throws LayoutError, such as `missing_required_file` where it is not there. */
export async function readFileOf(
  components: ArchiveComponents,
  container: Container,
  path: string,
): Promise<Uint8Array> {
  const entry = container.entries.get(path);
  if (entry === undefined) throw missingFile(path);
  return readEntry(components, container, entry);
}
