import {
  CIPHER,
  type DecryptionMetadata,
  type Envelope,
  type Manifest,
} from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import {
  asDecryption,
  DOCUMENT_LIMITS,
  demandDocumentSize,
  MAX_CHAIN_BYTES,
  parseDocument,
  Utf8Check,
} from './documents.ts';
import { layoutFinding, quoted, type Report } from './findings.ts';
import { LayoutError } from './layout-error.ts';
import { isIndexed, metadataPathOf, PATHS } from './paths.ts';
import { Pace } from './pause.ts';
import { programFields } from './strict.ts';
import type { ArchiveComponents, Container, Finding } from './types.ts';
import { digestEntry, readUnchecked } from './zip/content.ts';

/** What the checks of one layer have in common. */
export interface Checking {
  components: ArchiveComponents;
  container: Container;
  /** Both as stored. */
  manifest: Manifest & JsonObject;
  envelope: Envelope & JsonObject;
  signal: AbortSignal | undefined;
  fail: Report;
  /** From the rules of the format, without harm: a finding when strict, else a warning. */
  departure: Report;
}

/** All files but manifest and envelope, each read once: what was hashed is what was looked into. */
export interface FilesRead {
  digests: Map<string, { sha256: string; crcMatches: boolean }>;
  /** Bytes of the chain; null where there is none, or too long a one. */
  chain: Uint8Array | null;
  /** What was at the place of the encryption's metadata. */
  decryption: DecryptionMetadata | null;
}

/** What is read as a text, by people or models (archive-v0.6 "Layout": readers reject invalid UTF-8). */
const TEXT = /^(?:program\.md|agents\.md|skills\/(?!decryption\/)[^/]+\/SKILL\.md)$/;
const SKILL_METADATA = /^skills\/(?!decryption\/)[^/]+\/skill\.json$/;

/** Hashes every file and looks into those that have rules of their own; throws only when aborted. */
export async function readFiles(checking: Checking): Promise<FilesRead> {
  const { components, container, manifest, envelope, fail, signal } = checking;
  const read: FilesRead = { digests: new Map(), chain: null, decryption: null };
  const metadataPath = envelope.cipher === 'none' ? null : metadataPathOf(manifest);
  const pace = new Pace(signal);
  for (const [path, entry] of container.entries) {
    await pace.after(entry.size);
    if (path === PATHS.manifest || path === PATHS.envelope) continue;
    const isChain = path === PATHS.chain;
    const isDocument = path === metadataPath || SKILL_METADATA.test(path);
    const maxBytes = isChain ? MAX_CHAIN_BYTES : DOCUMENT_LIMITS.maxBytes;
    try {
      if ((isChain || isDocument) && entry.size <= maxBytes) {
        const { bytes, crcMatches } = await readUnchecked(components, container, entry);
        read.digests.set(path, { sha256: await components.crypto.digestHex(bytes), crcMatches });
        if (isChain) read.chain = bytes;
        else if (path === metadataPath) read.decryption = asDecryption(path, parseDocument(path, bytes));
        else demandInstructions(path, bytes, fail);
        continue;
      }
      const text = TEXT.test(path) ? new Utf8Check() : null;
      read.digests.set(path, await digestEntry(components, container, entry, { signal, look: text?.add }));
      text?.end(path);
      if (isChain)
        fail({ area: 'chain', path, message: `the chain has more than ${String(maxBytes)} bytes` });
      if (isDocument) demandDocumentSize(path, entry.size);
    } catch (error) {
      if (!(error instanceof LayoutError)) throw error;
      fail(layoutFinding(error));
    }
  }
  return read;
}

/** A skill is instructions, never a program (archive-v0.6 "Manifest"). */
function demandInstructions(path: string, bytes: Uint8Array, report: Report): void {
  for (const name of programFields(parseDocument(path, bytes))) {
    const message = `${path} has the field ${name}: a skill is no program`;
    report({ area: 'layout', reason: 'invalid_shape', path, message });
  }
}

/** Every file against the index, and the index against the files. */
export function checkContentIndex(
  { container: { entries }, manifest, envelope: { cipher }, fail, departure }: Checking,
  digests: FilesRead['digests'],
): void {
  const listed = new Map<string, string>();
  const failing = (path: string, message: string) =>
    fail({ area: 'content_index', path, message: `${shown(path)} ${message}` });
  let before = '';
  for (const { path, sha256 } of manifest.content_index.files) {
    if (listed.has(path)) failing(path, 'is in the index twice');
    else if (path < before) departure({ area: 'content_index', path, message: 'the index is not sorted' });
    listed.set(path, sha256);
    before = path;
    if (!isIndexed(path, cipher)) failing(path, 'may not be in the index');
    else if (!entries.has(path)) failing(path, 'is in the index and not in the archive');
  }
  for (const [path, { sha256, crcMatches }] of digests) {
    const expected = listed.get(path);
    const matches = expected === sha256;
    if (isIndexed(path, cipher)) {
      if (expected === undefined) failing(path, 'is not in the index');
      else if (!matches) failing(path, 'does not match its SHA-256');
      // A plain archive has no blob; what the index does not know failed already.
      else if (path === PATHS.blob) fail(blobFinding('content.enc is there, and the cipher is none'));
    }
    // Where the hash fails as well, the checksum tells nothing more.
    if (!crcMatches && (matches || !isIndexed(path, cipher))) fail(wrongCrc(path));
  }
}

/** Ciphertext and metadata of an encrypted archive, as far as they can be judged without a key. */
export function checkBlob({ envelope, fail }: Checking, { digests, decryption }: FilesRead): void {
  const digest = digests.get(PATHS.blob)?.sha256;
  if (digest !== undefined && digest !== envelope.encrypted_blob_hash)
    fail(blobFinding('encrypted_blob_hash is not the hash of content.enc'));
  if (decryption !== null && decryption.cipher !== CIPHER)
    fail(blobFinding(`the metadata names the cipher ${quoted(decryption.cipher)}`));
}

const MAX_SHOWN_PATH_CHARS = 200;

/** The index may name what no container could hold. */
export const shown = (path: string): string =>
  path.length <= MAX_SHOWN_PATH_CHARS ? path : `${path.slice(0, MAX_SHOWN_PATH_CHARS)}…`;

export const blobFinding = (message: string): Finding => ({
  area: 'encrypted_blob',
  path: PATHS.blob,
  message,
});

export const wrongCrc = (path: string): Finding => ({
  area: 'layout',
  reason: 'wrong_crc',
  path,
  message: `${path} does not match its CRC-32`,
});
