import { ARCHIVE_VERSION, type Envelope, type Manifest } from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject, JsonValue } from '../../../protocols/common/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import { canonicalBytes, indexHash } from '../canonical.ts';
import { DOCUMENT_LIMITS } from '../documents.ts';
import { signEnvelope } from '../envelope.ts';
import { isIndexed, PATHS } from '../paths.ts';
import type { ArchiveComponents, ArchiveSigner } from '../types.ts';
import { demandWithinLimits, type PreparedFile, prepareBytes } from './files.ts';

/** What a manifest says besides what follows from the files. */
export interface ManifestClaims {
  id: string;
  originator: Manifest['originator'];
  participants: Manifest['participants'];
  firstEventHash: string;
  skillTrust: NonNullable<Manifest['skill_trust']>;
  createdAt: string;
  /** Members that this version does not know, kept from an archive that is continued. */
  unknown: JsonObject;
}

export interface LayerInput {
  /** All but manifest and envelope. */
  files: readonly PreparedFile[];
  claims: ManifestClaims;
  entryHash: string;
  /** Null where the layer is plain. */
  encryption: { cipher: string; blobHash: string } | null;
  signers: readonly ArchiveSigner[];
  sealedAt: string;
}

export interface Layer {
  files: PreparedFile[];
  manifest: Manifest;
  envelope: Envelope;
}

/** Index, manifest and signed envelope around files: one container's worth (archive-v0.6 "Manifest", "Envelope"). */
export async function sealLayer({ crypto }: ArchiveComponents, input: LayerInput): Promise<Layer> {
  const { claims, entryHash, encryption, signers, sealedAt } = input;
  const cipher = encryption?.cipher ?? 'none';
  const manifest = manifestOf(crypto, input, cipher);
  const manifestFile = await prepareBytes(crypto, PATHS.manifest, canonicalBytes(manifest));
  const envelope = await signEnvelope(
    {
      version: ARCHIVE_VERSION,
      capsule_id: claims.id,
      first_event_hash: claims.firstEventHash,
      entry_hash: entryHash,
      manifest_hash: manifestFile.sha256,
      content_index_hash: manifest.content_index.index_hash,
      encrypted_blob_hash: encryption?.blobHash ?? null,
      cipher,
      signed_at: sealedAt,
    },
    signers,
  );
  const envelopeFile = await prepareBytes(crypto, PATHS.envelope, indented(envelope));
  const files = [...input.files, manifestFile, envelopeFile];
  demandWithinLimits(files.map(({ size }) => size));
  if (Math.max(manifestFile.size, envelopeFile.size) > DOCUMENT_LIMITS.maxBytes)
    throw new MeshError(
      'too_large',
      `A manifest may have ${String(DOCUMENT_LIMITS.maxBytes)} bytes: there are too many or too long names.`,
    );
  return { files, manifest, envelope };
}

/** Documents other than the manifest are stored for people to read. */
export const indented = (document: JsonValue): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(document, null, 2));

function manifestOf(
  crypto: ArchiveComponents['crypto'],
  { files, claims, encryption }: LayerInput,
  cipher: string,
): Manifest & JsonObject {
  const listed = files
    .filter(({ path }) => isIndexed(path, cipher))
    .map(({ path, sha256 }) => ({ path, sha256 }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    ...claims.unknown,
    format: {
      version: ARCHIVE_VERSION,
      container: 'zip',
      canonicalization: 'JCS-RFC8785',
      hash_algorithm: 'SHA-256',
    },
    id: claims.id,
    originator: claims.originator,
    participants: claims.participants,
    first_event_hash: claims.firstEventHash,
    content_index: { files: listed, index_hash: indexHash(crypto, listed) },
    skill_trust: claims.skillTrust,
    encryption: encryption && { metadata_path: PATHS.decryption, cipher: encryption.cipher },
    created_at: claims.createdAt,
  };
}
