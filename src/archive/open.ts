import type { ArchiveEvent, Envelope, Manifest } from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { MeshError } from '../lib/errors.ts';
import {
  asDecryption,
  asEnvelope,
  asManifest,
  MAX_CHAIN_BYTES,
  parseEvents,
  readDocument,
} from './documents.ts';
import { decryptInner } from './inner.ts';
import { LayoutError, missingFile } from './layout-error.ts';
import { metadataPathOf, PATHS } from './paths.ts';
import { bytesSource } from './source.ts';
import type {
  ArchiveComponents,
  ByteSource,
  Container,
  OpenedArchive,
  Verification,
  VerifyOptions,
} from './types.ts';
import { verifyAll } from './verify.ts';
import { readUnchecked } from './zip/content.ts';
import { openContainer } from './zip/reader.ts';

/**
 * An archive to work with: verified first, so that nothing of one that fails can reach anybody (archive-v0.6
 * "Hydration"). Throws `invalid_archive` where it cannot be read, `unverified_archive` where it does not verify, with
 * the failing areas and findings as detail; `not_a_recipient`; and `key_required` for an encrypted one
 * without a recipient's secret.
 */
export async function openArchive(
  components: ArchiveComponents,
  input: Uint8Array | ByteSource,
  options: VerifyOptions = {},
): Promise<OpenedArchive> {
  const { verification, plain, decryption } = await verifyAll(components, input, options);
  if (!verification.ok) throw refusalOf(verification);
  const manifest = plain?.examination.manifest?.value;
  const envelope = plain?.examination.envelope?.value;
  if (plain === null || manifest === undefined || envelope === undefined)
    throw new MeshError('key_required', "The archive is encrypted: a recipient's key is needed to open it.");
  const events = plain.examination.events.map(({ event }) => event);
  return { verification, container: plain.container, manifest, envelope, events, decryption };
}

function refusalOf({ readable, failing, findings }: Verification): MeshError {
  const first = findings[0]?.message ?? 'it is malformed';
  if (!readable)
    return new MeshError('invalid_archive', `The archive cannot be read: ${first}.`, { findings });
  return new MeshError(
    'unverified_archive',
    `The archive does not verify (${failing.join(', ')}): ${first}.`,
    {
      failing,
      findings,
    },
  );
}

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
    const layer = { manifest, envelope, metadata: asDecryption(path, await documentOf(path)) };
    const bytes = decryptInner(components, layer, recipientSecret, await look(components, outer, PATHS.blob));
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
