import { ARCHIVE_VERSION, CIPHER, type Manifest } from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject, JsonValue } from '../../../protocols/common/v1/schema.ts';
import { canonicalBytes, indexHash } from '../canonical.ts';
import { bindingOf, encryptContent } from '../crypto/encryption.ts';
import { DOCUMENT_LIMITS } from '../documents.ts';
import { signEnvelope } from '../envelope.ts';
import { isIndexed, PATHS } from '../paths.ts';
import { ARCHIVE_LIMITS, type ArchiveComponents, type Sealed, type SealOptions } from '../types.ts';
import { writeZip, zipSize } from '../zip/writer.ts';
import { demandAtMost } from './checks.ts';
import { demandWithinLimits, type PreparedFile, prepareBytes } from './files.ts';

/** What is to be sealed, but for what follows from it. */
export interface Contents {
  /** All files of the archive but manifest and envelope. */
  files: readonly PreparedFile[];
  claims: Omit<Manifest, 'format' | 'content_index' | 'encryption'>;
  entryHash: string;
  /** Members of the manifest that this version does not know, kept from an archive that is continued. */
  unknown?: JsonObject;
  /** The same of the outer manifest, where it is encrypted. */
  outerUnknown?: JsonObject;
}

/** An archive that is complete but for being written. */
export interface SealedContainer {
  sealed: Sealed;
  files: PreparedFile[];
}

/** Signs, and encrypts where there are recipients; everything there is to know, before a byte is written. */
export async function sealContainer(
  components: ArchiveComponents,
  contents: Contents,
  options: SealOptions,
): Promise<SealedContainer> {
  const { crypto } = components;
  const { recipients = [], signal } = options;
  const plain = await sealLayer(components, contents, options, null);
  if (recipients.length === 0) return plain;
  const { manifest, size } = plain.sealed;
  // It is encrypted whole, in memory, and has to fit where a reader would unpack it.
  demandAtMost(ARCHIVE_LIMITS.maxTotalBytes, size, 'bytes in what is encrypted');
  const encrypted = encryptContent(
    components,
    { ...bindingOf(manifest), recipients },
    await containerBytes(components, plain, signal),
  );
  const blob = await prepareBytes(crypto, PATHS.blob, encrypted.blob);
  const metadata = await prepareBytes(crypto, PATHS.decryption, indented(encrypted.metadata));
  const { claims, entryHash, outerUnknown: unknown = {} } = contents;
  // What skills there are inside is nobody's business outside.
  const outer = { files: [blob, metadata], claims: { ...claims, skill_trust: {} }, entryHash, unknown };
  return sealLayer(components, outer, options, blob.sha256);
}

/** Index, manifest and signed envelope around files: one container's worth (archive-v0.6 "Manifest", "Envelope"). */
async function sealLayer(
  { crypto }: ArchiveComponents,
  { files: given, claims, entryHash, unknown = {} }: Contents,
  { signers, sealedAt }: SealOptions,
  blobHash: string | null,
): Promise<SealedContainer> {
  const cipher = blobHash === null ? 'none' : CIPHER;
  const listed = given
    .filter(({ path }) => isIndexed(path, cipher))
    .map(({ path, sha256 }) => ({ path, sha256 }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const manifest: Manifest & JsonObject = {
    ...unknown,
    ...claims,
    format: {
      version: ARCHIVE_VERSION,
      container: 'zip',
      canonicalization: 'JCS-RFC8785',
      hash_algorithm: 'SHA-256',
    },
    content_index: { files: listed, index_hash: indexHash(crypto, listed) },
    encryption: blobHash === null ? null : { metadata_path: PATHS.decryption, cipher },
  };
  const manifestFile = await prepareBytes(crypto, PATHS.manifest, canonicalBytes(manifest));
  const envelope = await signEnvelope(
    {
      version: ARCHIVE_VERSION,
      capsule_id: claims.id,
      first_event_hash: claims.first_event_hash,
      entry_hash: entryHash,
      manifest_hash: manifestFile.sha256,
      content_index_hash: manifest.content_index.index_hash,
      encrypted_blob_hash: blobHash,
      cipher,
      signed_at: sealedAt,
    },
    signers,
  );
  const envelopeFile = await prepareBytes(crypto, PATHS.envelope, indented(envelope));
  const files = [...given, manifestFile, envelopeFile];
  demandWithinLimits(files);
  // There are too many or too long names.
  for (const { path, size } of [manifestFile, envelopeFile])
    demandAtMost(DOCUMENT_LIMITS.maxBytes, size, `bytes in ${path}`);
  return { files, sealed: { capsuleId: claims.id, entryHash, manifest, envelope, size: zipSize(files) } };
}

/** Documents other than the manifest are stored for people to read. */
const indented = (document: JsonValue): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(document, null, 2));

/** The archive as one piece of memory. Throws `conflict` where a source has changed since it was sealed. */
export async function containerBytes(
  components: ArchiveComponents,
  { files, sealed }: SealedContainer,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(sealed.size);
  let offset = 0;
  const fill = (chunk: Uint8Array) => {
    bytes.set(chunk, offset);
    offset += chunk.length;
  };
  await writeZip(components, files, fill, signal);
  return bytes;
}
