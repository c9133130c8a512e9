import type { DecryptionMetadata, Envelope, Manifest } from '../../protocols/archive/v1/schema.ts';
import { decryptContent } from './crypto/encryption.ts';
import { missingFile } from './layout-error.ts';
import type { ArchiveComponents, Container } from './types.ts';
import { readEntry } from './zip/content.ts';

/** An encrypted archive's outer layer, with its metadata read. */
export interface OuterLayer {
  manifest: Manifest;
  envelope: Envelope;
  metadata: DecryptionMetadata;
}

/**
 * Decrypts the inner archive, whole and in memory, since not a byte of it may be used before its tag was checked
 * (archive-v0.6 "Encryption"). Throws `invalid_archive`, `not_a_recipient`, and `unverified_archive` where a tag does
 * not fit.
 */
export function decryptInner(
  components: ArchiveComponents,
  { manifest, envelope, metadata }: OuterLayer,
  secret: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array {
  const binding = {
    capsuleId: envelope.capsule_id,
    firstEventHash: envelope.first_event_hash,
    originatorPublicKey: manifest.originator.public_key,
  };
  return decryptContent(components, { ...binding, metadata, secret }, ciphertext);
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
