import type { ArchiveEvent, Envelope, Manifest } from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { bindingOf, decryptContent } from './crypto/encryption.ts';
import {
  asDecryption,
  asEnvelope,
  asManifest,
  MAX_CHAIN_BYTES,
  parseEvents,
  readDocument,
} from './documents.ts';
import { LayoutError } from './layout-error.ts';
import { metadataPathOf, PATHS } from './paths.ts';
import { sourceOf } from './source.ts';
import type { ArchiveComponents, ByteSource, Container, VerifyOptions } from './types.ts';
import { entryOf, readEntry, readUnchecked } from './zip/content.ts';
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
  // A file as it is: whoever looks at a damaged archive wants to see it, damage and all.
  const bytesOf = async (container: Container, path: string) =>
    (await readUnchecked(components, container, entryOf(container, path))).bytes;
  const outer = await openContainer(components, sourceOf(input), limits);
  const documentOf = async (path: string) => (await readDocument(components, outer, path)).document;
  const manifest = asManifest(await documentOf(PATHS.manifest));
  const envelope = asEnvelope(await documentOf(PATHS.envelope));
  const encrypted = envelope.cipher !== 'none';
  let container: Container | null = encrypted ? null : outer;
  if (encrypted && recipientSecret !== undefined) {
    const path = metadataPathOf(manifest) ?? PATHS.decryption;
    const metadata = asDecryption(path, await documentOf(path));
    const blob = await bytesOf(outer, PATHS.blob);
    const inner = decryptContent(
      components,
      { ...bindingOf(manifest), metadata, secret: recipientSecret },
      blob,
    );
    container = await openContainer(components, sourceOf(inner), limits);
  }
  if (container === null) return { manifest, envelope, encrypted, outer, plain: null };
  if ((container.entries.get(PATHS.chain)?.size ?? 0) > MAX_CHAIN_BYTES)
    throw new LayoutError('invalid_shape', `${PATHS.chain} is too long to be read.`, PATHS.chain);
  const read = parseEvents(await bytesOf(container, PATHS.chain), () => undefined);
  const events = read.map(({ event }) => event);
  return { manifest, envelope, encrypted, outer, plain: { container, events } };
}

/** A whole file of a container. Throws LayoutError, such as `missing_required_file` where it is not there. */
export async function readFileOf(
  components: ArchiveComponents,
  container: Container,
  path: string,
): Promise<Uint8Array> {
  return readEntry(components, container, entryOf(container, path));
}
