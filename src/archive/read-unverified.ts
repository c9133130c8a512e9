import type { ArchiveEvent, Envelope, Manifest } from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { decryptInner } from './crypto/encryption.ts';
import {
  asDecryption,
  asEnvelope,
  asManifest,
  MAX_CHAIN_BYTES,
  parseEvents,
  readDocument,
} from './documents.ts';
import { LayoutError, missingFile } from './layout-error.ts';
import { metadataPathOf, PATHS } from './paths.ts';
import { bytesSource } from './source.ts';
import type { ArchiveComponents, ByteSource, Container, VerifyOptions } from './types.ts';
import { readEntry, readUnchecked } from './zip/content.ts';
import { openContainer } from './zip/reader.ts';

/** What an archive holds, unverified: for looking at, never for acting on. */
export interface ReadArchive {
  /** The outer documents, as stored. */
  manifest: Manifest & JsonObject;
  envelope: Envelope & JsonObject;
  encrypted: boolean;
  /** The outer container, whatever is in it. */
  outer: Container;
  /** The plain container with its events as far as they can be read; null without a recipient's secret. */
  plain: { container: Container; events: ArchiveEvent[] } | null;
}

/** Opens an archive without verifying anything. Throws LayoutError and `not_a_recipient`. */
export async function readArchive(
  components: ArchiveComponents,
  input: Uint8Array | ByteSource,
  { limits, recipientSecret }: Pick<VerifyOptions, 'limits' | 'recipientSecret'> = {},
): Promise<ReadArchive> {
  const source = input instanceof Uint8Array ? bytesSource(input) : input;
  const outer = await openContainer(components, source, limits);
  const documentOf = async (path: string) => (await readDocument(components, outer, path)).document;
  const manifest = asManifest(await documentOf(PATHS.manifest));
  const envelope = asEnvelope(await documentOf(PATHS.envelope));
  const encrypted = envelope.cipher !== 'none';
  let container: Container | null = encrypted ? null : outer;
  if (encrypted && recipientSecret !== undefined) {
    const path = metadataPathOf(manifest) ?? PATHS.decryption;
    const metadata = asDecryption(path, await documentOf(path));
    const blob = await look(components, outer, PATHS.blob);
    const bytes = decryptInner(components, [manifest, envelope, metadata], recipientSecret, blob);
    container = await openContainer(components, bytesSource(bytes), limits);
  }
  const plain = container && { container, events: await eventsOf(components, container) };
  return { manifest, envelope, encrypted, outer, plain };
}

async function eventsOf(components: ArchiveComponents, container: Container): Promise<ArchiveEvent[]> {
  if ((container.entries.get(PATHS.chain)?.size ?? 0) > MAX_CHAIN_BYTES)
    throw new LayoutError('invalid_shape', `${PATHS.chain} is too long to be read.`, PATHS.chain);
  const events = parseEvents(await look(components, container, PATHS.chain), () => undefined);
  return events.map(({ event }) => event);
}

/** A file as it is: whoever looks at a damaged archive wants to see it, damage and all. */
async function look(components: ArchiveComponents, container: Container, path: string): Promise<Uint8Array> {
  const entry = container.entries.get(path);
  if (entry === undefined) throw missingFile(path);
  return (await readUnchecked(components, container, entry)).bytes;
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
