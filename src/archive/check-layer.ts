import type { DecryptionMetadata, Envelope, Manifest } from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { canonicalBytes, capsuleId, indexHash } from './canonical.ts';
import { checkChain, type ReadEvent } from './chain.ts';
import {
  type Checking,
  checkBlob,
  checkContentIndex,
  type FilesRead,
  readFiles,
  shown,
  wrongCrc,
} from './check-files.ts';
import { checkCheckpoints } from './checkpoint.ts';
import {
  asEnvelope,
  asManifest,
  LINE_FEED,
  parseEvents,
  readDocument,
  unsupportedRules,
} from './documents.ts';
import { checkEnvelope, checkSigners } from './envelope.ts';
import { Findings, layoutFinding, type Report } from './findings.ts';
import { LayoutError } from './layout-error.ts';
import { metadataPathOf, PATHS } from './paths.ts';
import { strictDocuments, strictEvents } from './strict.ts';
import type { ArchiveComponents, ByteSource, Container, SignerVerdict, VerifyOptions } from './types.ts';
import { openContainer } from './zip/reader.ts';

/** All that one container says for itself, checked; an encrypted one from outside only. */
export class Layer {
  /** Null for what is no container at all. */
  container: Container | null = null;
  /** False where container, manifest or envelope could not be read: nothing else is known then. */
  readable = true;
  readonly findings = new Findings();
  readonly warnings = new Findings();
  signers: SignerVerdict[] = [];
  /** As stored, which is what hashes are made over; null where they have not the right shape. */
  manifest: (Manifest & JsonObject) | null = null;
  envelope: (Envelope & JsonObject) | null = null;
  events: ReadEvent[] = [];
  /** Of an encrypted archive, where it could be read. */
  decryption: DecryptionMetadata | null = null;
}

/**
 * Opens and checks one layer (archive-v0.6 "Verification levels", L2). The order matters: no rule is applied before it
 * is known that this version of the rules is meant. Throws only when aborted, and as a source does.
 */
export async function checkLayer(
  components: ArchiveComponents,
  source: ByteSource,
  { limits, strict = false, signal }: VerifyOptions,
  allowlist: ReadonlySet<string>,
): Promise<Layer> {
  const layer = new Layer();
  const fail: Report = (finding) => layer.findings.add(finding);
  const departure: Report = strict ? fail : (finding) => layer.warnings.add(finding);
  try {
    const container = await openContainer(components, source, limits);
    layer.container = container;
    for (const message of container.warnings) departure({ area: 'layout', message });
    const documentAt = async (path: string): Promise<JsonObject> => {
      const { document, crcMatches } = await readDocument(components, container, path);
      // A wrong checksum alone does not keep it from being read.
      if (!crcMatches) fail(wrongCrc(path));
      return document;
    };
    const stored = [await documentAt(PATHS.manifest), await documentAt(PATHS.envelope)] as const;
    const unsupported = unsupportedRules(...stored);
    if (unsupported !== null) {
      fail(unsupported);
      return layer;
    }
    const [manifest, envelope] = [asManifest(stored[0]), asEnvelope(stored[1])];
    layer.manifest = manifest;
    layer.envelope = envelope;
    const checking = { components, container, manifest, envelope, signal, fail, departure };
    checkLayout(checking);
    checkDocuments(checking);
    checkEnvelope(envelope, manifest, fail);
    const files = await readFiles(checking);
    layer.decryption = files.decryption;
    checkContentIndex(checking, files.digests);
    if (envelope.cipher !== 'none') checkBlob(checking, files);
    else layer.events = await checkEvents(checking, files);
    layer.signers = await checkSigners(components, envelope, allowlist, fail);
    strictDocuments(manifest, envelope, departure);
  } catch (error) {
    if (!(error instanceof LayoutError)) throw error;
    layer.readable = false;
    fail(layoutFinding(error));
  }
  return layer;
}

/** Files that have to be there, and those that have no business beside encrypted content. */
function checkLayout({ container: { entries }, manifest, envelope, fail, departure }: Checking): void {
  const metadata = metadataPathOf(manifest);
  const isEncrypted = envelope.cipher !== 'none';
  if (metadata === null) {
    const message = 'manifest.encryption has a metadata_path outside of skills/decryption';
    fail({ area: 'layout', reason: 'invalid_shape', message });
  } else if (metadata !== PATHS.decryption)
    departure({ area: 'layout', message: `metadata_path is not ${PATHS.decryption}` });
  const required = isEncrypted ? [PATHS.blob, metadata ?? PATHS.decryption] : [PATHS.program, PATHS.chain];
  for (const path of required) {
    if (entries.has(path)) continue;
    const message = `${shown(path)} is missing`;
    fail({ area: 'layout', reason: 'missing_required_file', path, message });
    if (path === PATHS.chain) fail({ area: 'chain', message: 'there is no chain' });
    if (path === PATHS.blob) fail({ area: 'encrypted_blob', message: 'there is no content.enc' });
  }
  if (!isEncrypted) return;
  const outside = new Set<string>([PATHS.manifest, PATHS.envelope, ...required]);
  for (const path of entries.keys()) {
    if (!outside.has(path))
      departure({ area: 'layout', path, message: `${path} lies beside the encrypted content` });
  }
}

/** Ids and hashes that manifest and envelope state about themselves and each other. */
function checkDocuments({ components: { crypto }, manifest, envelope, fail }: Checking): void {
  const { id, originator, first_event_hash: firstEvent, content_index: index } = manifest;
  const identity = (message: string) => fail({ area: 'identity', message });
  if (id !== capsuleId(crypto, originator.public_key, firstEvent))
    identity("manifest.id does not follow from the originator's key and the first event");
  if (envelope.capsule_id !== id) identity('envelope.capsule_id is not manifest.id');
  if (envelope.first_event_hash !== firstEvent)
    identity('envelope.first_event_hash is not manifest.first_event_hash');
  if (crypto.sha256Hex(canonicalBytes(manifest)) !== envelope.manifest_hash)
    fail({ area: 'envelope', message: 'manifest_hash is not the hash of manifest.json' });
  if (indexHash(crypto, index.files) !== index.index_hash)
    fail({ area: 'content_index', message: 'index_hash is not the hash of the list of files' });
  if (envelope.content_index_hash !== index.index_hash)
    fail({ area: 'content_index', message: "content_index_hash is not the manifest's index_hash" });
}

/** The whole chain and its two anchors. */
async function checkEvents(
  { components, manifest, envelope, signal, fail, departure }: Checking,
  { chain }: FilesRead,
): Promise<ReadEvent[]> {
  if (chain === null) return [];
  const events = parseEvents(chain, fail);
  const actors = new Set(manifest.participants.map(({ actor_id: actor }) => actor));
  checkChain(components.crypto, events, actors, fail);
  for (const [name, which, at] of [
    ['first_event_hash', 'first', 0],
    ['entry_hash', 'last', -1],
  ] as const) {
    const anchored = events.at(at);
    if (anchored !== undefined && anchored.event.hash !== envelope[name])
      fail({ area: 'chain', message: `envelope.${name} is not the hash of the ${which} event` });
  }
  await checkCheckpoints(components, events, departure, signal);
  strictEvents(events, departure);
  // Within a text it would be escaped, so that it can only be white space.
  if (chain.includes(CARRIAGE_RETURN))
    departure({ area: 'chain', message: 'lines are ended by more than a line feed' });
  if (chain.at(-1) !== LINE_FEED)
    departure({ area: 'chain', message: 'the last event is not ended by a line feed' });
  return events;
}

const CARRIAGE_RETURN = 0x0d;
