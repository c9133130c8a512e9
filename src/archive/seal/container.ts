import {
  ARCHIVE_VERSION,
  type ArchiveEvent,
  CIPHER,
  type Manifest,
} from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject, JsonValue } from '../../../protocols/common/v1/schema.ts';
import { canonicalBytes, indexHash } from '../canonical.ts';
import { eventsToLines } from '../chain.ts';
import type { ArchiveCrypto } from '../crypto/crypto.ts';
import { bindingOf, encryptContent } from '../crypto/encryption.ts';
import { DOCUMENT_LIMITS, EVENT_LIMITS, LINE_FEED, MAX_CHAIN_BYTES, MAX_EVENTS } from '../documents.ts';
import { signEnvelope } from '../envelope.ts';
import { isIndexed, PATHS } from '../paths.ts';
import { passingChunksOf } from '../source.ts';
import {
  ARCHIVE_LIMITS,
  type ArchiveComponents,
  type FileInput,
  type Sealed,
  type SealOptions,
} from '../types.ts';
import { digestChunks } from '../zip/content.ts';
import { writeZip, type ZipFile, zipSize } from '../zip/writer.ts';
import { demandAtMost } from './checks.ts';

/** A file whose bytes were read once: what the index says of it and what the container does. */
export interface PreparedFile extends ZipFile {
  /** 64-hex */
  sha256: string;
}

async function prepareBytes(crypto: ArchiveCrypto, path: string, content: Uint8Array): Promise<PreparedFile> {
  const sha256 = await crypto.digestHex(content);
  return { path, size: content.length, crc32: crypto.crc32(content), sha256, content };
}

/** The first of two passes; the second is the writer's, which refuses what is not the same any more. */
export async function prepareFiles(
  crypto: ArchiveCrypto,
  files: readonly FileInput[],
  signal?: AbortSignal,
): Promise<PreparedFile[]> {
  const prepared: PreparedFile[] = [];
  for (const { path, content } of files) {
    if (content instanceof Uint8Array) {
      prepared.push(await prepareBytes(crypto, path, content));
      continue;
    }
    const chunks = passingChunksOf(content, 0, content.size);
    const digest = await digestChunks(crypto, chunks, () => signal?.throwIfAborted());
    prepared.push({ path, size: content.size, ...digest, content });
  }
  return prepared;
}

/** Before anything large is read. Throws `too_large`. */
export function demandWithinLimits(files: readonly FileInput[]): void {
  const sizes = files.map(({ content }) => (content instanceof Uint8Array ? content.length : content.size));
  demandAtMost(ARCHIVE_LIMITS.maxEntries, sizes.length, 'files in an archive');
  const total = sizes.reduce((sum, size) => sum + size, 0);
  demandAtMost(ARCHIVE_LIMITS.maxTotalBytes, total, 'bytes in all files of an archive');
}

/** What is to be sealed, but for what follows from it. */
export interface Contents {
  /** All files of the archive but chain, manifest and envelope. */
  files: readonly PreparedFile[];
  /** Bytes of the chain that are there already. */
  chain?: Uint8Array;
  /** What comes behind them. */
  events: readonly ArchiveEvent[];
  claims: Omit<Manifest, 'format' | 'content_index' | 'encryption'>;
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

/** What one container has in it but manifest and envelope. */
type LayerContents = Pick<Contents, 'files' | 'claims'> & { entryHash: string; unknown: JsonObject };

/** Signs, and encrypts where there are recipients; everything there is to know, before a byte is written. */
export async function sealContainer(
  components: ArchiveComponents,
  contents: Contents,
  options: SealOptions,
): Promise<SealedContainer> {
  const { crypto } = components;
  const { recipients = [], signal } = options;
  const { claims, events, unknown = {}, outerUnknown = {} } = contents;
  const entryHash = events.at(-1)?.hash;
  if (entryHash === undefined) throw new TypeError('Nothing is sealed without an event.');
  const chain = await prepareBytes(
    crypto,
    PATHS.chain,
    chainBytes(contents.chain ?? new Uint8Array(), events),
  );
  const inner = { files: [chain, ...contents.files], claims, entryHash, unknown };
  const plain = await sealLayer(components, inner, options, null);
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
  // What skills there are inside is nobody's business outside.
  const outerClaims = { ...claims, skill_trust: {} };
  const outer = { files: [blob, metadata], claims: outerClaims, entryHash, unknown: outerUnknown };
  return sealLayer(components, outer, options, blob.sha256);
}

/** `chain/events.jsonl`, as far as a reader takes it: what is there, and a line for each event. Throws `too_large`. */
function chainBytes(before: Uint8Array, events: readonly ArchiveEvent[]): Uint8Array {
  demandAtMost(MAX_EVENTS, events.at(-1)?.seq ?? 0, 'events in a chain');
  const lines = eventsToLines(events);
  if (lines.length > EVENT_LIMITS.maxBytes) {
    for (const event of events)
      demandAtMost(
        EVENT_LIMITS.maxBytes,
        eventsToLines([event]).length,
        `bytes in event ${String(event.seq)}`,
      );
  }
  const isEnded = before.length === 0 || before.at(-1) === LINE_FEED;
  const start = isEnded ? before.length : before.length + 1;
  demandAtMost(MAX_CHAIN_BYTES, start + lines.length, 'bytes in a chain');
  const whole = new Uint8Array(start + lines.length).fill(LINE_FEED, before.length, start);
  whole.set(before);
  whole.set(lines, start);
  return whole;
}

/** Index, manifest and signed envelope around files: one container's worth (archive-v0.6 "Manifest", "Envelope"). */
async function sealLayer(
  { crypto }: ArchiveComponents,
  { files: given, claims, entryHash, unknown }: LayerContents,
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
