import type { DecryptionMetadata } from '../../protocols/archive/v1/schema.ts';
import { asDecryption, documentTooLarge, MAX_CHAIN_BYTES, parseDocument, Utf8Check } from './documents.ts';
import { layoutFinding, type Report } from './findings.ts';
import { LayoutError } from './layout-error.ts';
import { PATHS } from './paths.ts';
import { Pace } from './pause.ts';
import { programFields } from './strict.ts';
import type { ArchiveComponents, ArchiveEntry, Container } from './types.ts';
import { digestEntry, readUnchecked } from './zip/content.ts';

/** All files but manifest and envelope, each read once: what was hashed is what was looked into. */
export interface FilesRead {
  digests: Map<string, { sha256: string; crcMatches: boolean }>;
  /** Bytes of the chain; null where there is none, or too long a one. */
  chain: Uint8Array | null;
  /** What was at the place of the encryption's metadata. */
  decryption: DecryptionMetadata | null;
}

export interface ReadingOptions {
  /** Where the metadata of an encrypted archive is; null in a plain one. */
  metadataPath: string | null;
  report: Report;
  signal?: AbortSignal | undefined;
}

/** What is read as a text, by people or models (archive-v0.6 "Layout": readers reject invalid UTF-8). */
const TEXT = /^(?:program\.md|agents\.md|skills\/(?!decryption\/)[^/]+\/SKILL\.md)$/;
const SKILL_METADATA = /^skills\/(?!decryption\/)[^/]+\/skill\.json$/;

/** Hashes every file and looks into those that have rules of their own; throws only when aborted. */
export async function readFiles(
  components: ArchiveComponents,
  container: Container,
  options: ReadingOptions,
): Promise<FilesRead> {
  const { report, signal } = options;
  const read: FilesRead = { digests: new Map(), chain: null, decryption: null };
  const pace = new Pace(signal);
  for (const [path, entry] of container.entries) {
    await pace.after(entry.size);
    if (path === PATHS.manifest || path === PATHS.envelope) continue;
    try {
      const use = useOf(entry, read, options);
      if (use === null) {
        const text = TEXT.test(path) ? new Utf8Check() : null;
        const digest = await digestEntry(components, container, entry, { signal, look: text?.add });
        read.digests.set(path, digest);
        text?.end(path);
        continue;
      }
      const { bytes, crcMatches } = await readUnchecked(components, container, entry);
      read.digests.set(path, { sha256: await components.crypto.digestHex(bytes), crcMatches });
      use(bytes);
    } catch (error) {
      if (!(error instanceof LayoutError)) throw error;
      report(layoutFinding(error));
    }
  }
  return read;
}

/** What is done with the bytes of a file besides hashing them; null for nothing, and then it need not be in memory. */
function useOf(
  { path, size }: ArchiveEntry,
  read: FilesRead,
  { metadataPath, report }: ReadingOptions,
): ((bytes: Uint8Array) => void) | null {
  if (path === PATHS.chain) {
    if (size > MAX_CHAIN_BYTES) {
      report({ area: 'chain', path, message: `the chain has more than ${String(MAX_CHAIN_BYTES)} bytes` });
      return null;
    }
    return (bytes) => {
      read.chain = bytes;
    };
  }
  const isSkill = SKILL_METADATA.test(path);
  if (path !== metadataPath && !isSkill) return null;
  const problem = documentTooLarge(path, size);
  if (problem !== null) {
    report(layoutFinding(problem));
    return null;
  }
  return path === metadataPath
    ? (bytes) => {
        read.decryption = asDecryption(path, parseDocument(path, bytes));
      }
    : (bytes) => demandInstructions(path, bytes, report);
}

/** A skill is instructions, never a program (archive-v0.6 "Manifest"). */
function demandInstructions(path: string, bytes: Uint8Array, report: Report): void {
  for (const name of programFields(parseDocument(path, bytes)))
    report({
      area: 'layout',
      reason: 'invalid_shape',
      path,
      message: `${path} has the field ${name}: a skill is no program`,
    });
}
