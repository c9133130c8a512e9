import { CIPHER } from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import { encryptContent } from '../crypto/encryption.ts';
import { PATHS } from '../paths.ts';
import { ARCHIVE_LIMITS, type ArchiveComponents, type Sealed, type SealOptions } from '../types.ts';
import { writeZip, zipSize } from '../zip/writer.ts';
import { type PreparedFile, prepareBytes } from './files.ts';
import { indented, type Layer, type ManifestClaims, sealLayer } from './layer.ts';

/** An inner archive is encrypted whole, in memory, and has to fit where a reader would unpack it. */
export const MAX_INNER_BYTES = ARCHIVE_LIMITS.maxTotalBytes;

export interface ContainerInput {
  /** All files of the archive but manifest and envelope. */
  files: readonly PreparedFile[];
  claims: ManifestClaims;
  entryHash: string;
  /** Members of the outer manifest that this version does not know; only where it is encrypted. */
  outerUnknown: JsonObject;
}

/** An archive that is complete but for being written. */
export interface SealedContainer {
  sealed: Sealed;
  files: PreparedFile[];
}

/** Signs, and encrypts where there are recipients; everything there is to know, before a byte is written. */
export async function sealContainer(
  components: ArchiveComponents,
  input: ContainerInput,
  options: SealOptions,
): Promise<SealedContainer> {
  const { signers, sealedAt, recipients = [] } = options;
  const signing = { entryHash: input.entryHash, signers, sealedAt };
  const plain = await sealLayer(components, {
    ...signing,
    files: input.files,
    claims: input.claims,
    encryption: null,
  });
  if (recipients.length === 0) return containerOf(plain);
  const { blob, metadata } = await encrypted(components, plain, recipients, options.signal);
  return containerOf(
    await sealLayer(components, {
      ...signing,
      files: [blob, metadata],
      // What skills there are inside is nobody's business outside.
      claims: { ...input.claims, skillTrust: {}, unknown: input.outerUnknown },
      encryption: { cipher: CIPHER, blobHash: blob.sha256 },
    }),
  );
}

/** Writes what was sealed. Throws `conflict` where a source has changed since. */
export async function writeContainer(
  components: ArchiveComponents,
  { files, sealed }: SealedContainer,
  sink: (chunk: Uint8Array) => void | Promise<void>,
  signal?: AbortSignal,
): Promise<Sealed> {
  await writeZip(components, files, sink, signal);
  return sealed;
}

/** The archive as one piece of memory. */
export async function containerBytes(
  components: ArchiveComponents,
  container: SealedContainer,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(container.sealed.size);
  let offset = 0;
  const fill = (chunk: Uint8Array) => {
    bytes.set(chunk, offset);
    offset += chunk.length;
  };
  await writeContainer(components, container, fill, signal);
  return bytes;
}

function containerOf({ files, manifest, envelope }: Layer): SealedContainer {
  const { capsule_id: capsuleId, entry_hash: entryHash } = envelope;
  return { files, sealed: { capsuleId, entryHash, manifest, envelope, size: zipSize(files) } };
}

async function encrypted(
  components: ArchiveComponents,
  plain: Layer,
  recipients: string[],
  signal?: AbortSignal,
): Promise<{ blob: PreparedFile; metadata: PreparedFile }> {
  const { crypto } = components;
  const container = containerOf(plain);
  if (container.sealed.size > MAX_INNER_BYTES)
    throw new MeshError(
      'too_large',
      `What is to be encrypted has ${String(container.sealed.size)} bytes; ${String(MAX_INNER_BYTES)} are allowed.`,
    );
  const { blob, metadata } = encryptContent(
    components,
    {
      capsuleId: plain.manifest.id,
      firstEventHash: plain.manifest.first_event_hash,
      originatorPublicKey: plain.manifest.originator.public_key,
      recipients,
    },
    await containerBytes(components, container, signal),
  );
  return {
    blob: await prepareBytes(crypto, PATHS.blob, blob),
    metadata: await prepareBytes(crypto, PATHS.decryption, indented(metadata)),
  };
}
