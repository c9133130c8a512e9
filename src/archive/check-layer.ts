import {
  CIPHER,
  type DecryptionMetadata,
  type Envelope,
  type Manifest,
} from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { canonicalBytes, capsuleId, indexHash } from './canonical.ts';
import { checkChain, type ReadEvent } from './chain.ts';
import { checkCheckpoints } from './checkpoint.ts';
import {
  asDecryption,
  asEnvelope,
  asManifest,
  DOCUMENT_LIMITS,
  demandDocumentSize,
  LINE_FEED,
  MAX_CHAIN_BYTES,
  parseDocument,
  parseEvents,
  readDocument,
  unsupportedRules,
  utf8Check,
} from './documents.ts';
import { checkEnvelope, checkSigners } from './envelope.ts';
import { Findings, layoutFinding, quoted, type Report } from './findings.ts';
import { LayoutError } from './layout-error.ts';
import { isIndexed, metadataPathOf, PATHS } from './paths.ts';
import { paceOf } from './pause.ts';
import { programFields, strictDocuments, strictEvents } from './strict.ts';
import type {
  ArchiveComponents,
  ByteSource,
  Container,
  Finding,
  SignerVerdict,
  VerifyOptions,
} from './types.ts';
import { digestEntry, readUnchecked } from './zip/content.ts';
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

/** What the checks of one layer have in common. */
interface Checking {
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

/** Of all files but manifest and envelope, each read once: what was hashed is what was looked into. */
type Digests = ReadonlyMap<string, Digest>;
type Digest = Awaited<ReturnType<typeof digestEntry>>;

/** What is read as a text, by people or models (archive-v0.6 "Layout": readers reject invalid UTF-8). */
const TEXT = /^(?:program\.md|agents\.md|skills\/(?!decryption\/)[^/]+\/SKILL\.md)$/;
const SKILL_METADATA = /^skills\/(?!decryption\/)[^/]+\/skill\.json$/;
const CARRIAGE_RETURN = 0x0d;

/**
 * Opens and checks one layer (archive-v0.6 "Verification levels", L2). The order matters: no rule is applied before it
 * is known that this version of the rules is meant. What is found in an inner archive is added to its outer layer.
 * Throws only when aborted, and as a source does.
 */
export async function checkLayer(
  components: ArchiveComponents,
  source: ByteSource,
  { limits, strict = false, signal }: VerifyOptions,
  allowlist: ReadonlySet<string>,
  outer: Layer | null = null,
): Promise<Layer> {
  const layer = new Layer();
  const { findings, warnings } = outer ?? layer;
  const told = (found: Finding): Finding =>
    outer === null ? found : { ...found, message: `inner archive: ${found.message}` };
  const fail: Report = (finding) => findings.add(told(finding));
  const departure: Report = strict ? fail : (finding) => warnings.add(told(finding));
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
    const digests = await readFiles(checking, layer);
    checkContentIndex(checking, digests);
    if (envelope.cipher !== 'none') checkBlob(checking, digests, layer.decryption);
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
  chain: Uint8Array,
): Promise<ReadEvent[]> {
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

/** Hashes every file and looks into those that have rules of their own; throws only when aborted. */
async function readFiles(checking: Checking, layer: Layer): Promise<Digests> {
  const { components, container, manifest, envelope, fail, signal } = checking;
  const digests = new Map<string, Digest>();
  const isPlain = envelope.cipher === 'none';
  const metadataPath = isPlain ? null : metadataPathOf(manifest);
  const pace = paceOf(signal);
  for (const [path, entry] of container.entries) {
    await pace(entry.size);
    if (path === PATHS.manifest || path === PATHS.envelope) continue;
    const isChain = isPlain && path === PATHS.chain;
    const isDocument = path === metadataPath || SKILL_METADATA.test(path);
    const maxBytes = isChain ? MAX_CHAIN_BYTES : DOCUMENT_LIMITS.maxBytes;
    try {
      if ((isChain || isDocument) && entry.size <= maxBytes) {
        const { bytes, crcMatches } = await readUnchecked(components, container, entry);
        digests.set(path, { sha256: await components.crypto.digestHex(bytes), crcMatches });
        if (isChain) layer.events = await checkEvents(checking, bytes);
        else if (path === metadataPath) layer.decryption = asDecryption(path, parseDocument(path, bytes));
        else {
          // A skill is instructions, never a program (archive-v0.6 "Manifest").
          for (const name of programFields(parseDocument(path, bytes))) {
            const message = `${path} has the field ${name}: a skill is no program`;
            fail({ area: 'layout', reason: 'invalid_shape', path, message });
          }
        }
        continue;
      }
      const text = TEXT.test(path) ? utf8Check(path) : null;
      digests.set(path, await digestEntry(components, container, entry, { signal, look: text?.add }));
      text?.end();
      if (isChain)
        fail({ area: 'chain', path, message: `the chain has more than ${String(maxBytes)} bytes` });
      if (isDocument) demandDocumentSize(path, entry.size);
    } catch (error) {
      if (!(error instanceof LayoutError)) throw error;
      fail(layoutFinding(error));
    }
  }
  return digests;
}

/** Every file against the index, and the index against the files. */
function checkContentIndex(
  { container: { entries }, manifest, envelope: { cipher }, fail, departure }: Checking,
  digests: Digests,
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
function checkBlob({ envelope, fail }: Checking, digests: Digests, decryption: Layer['decryption']): void {
  const digest = digests.get(PATHS.blob)?.sha256;
  if (digest !== undefined && digest !== envelope.encrypted_blob_hash)
    fail(blobFinding('encrypted_blob_hash is not the hash of content.enc'));
  if (decryption !== null && decryption.cipher !== CIPHER)
    fail(blobFinding(`the metadata names the cipher ${quoted(decryption.cipher)}`));
}

const MAX_SHOWN_PATH_CHARS = 200;

/** The index may name what no container could hold. */
const shown = (path: string): string =>
  path.length <= MAX_SHOWN_PATH_CHARS ? path : `${path.slice(0, MAX_SHOWN_PATH_CHARS)}…`;

export function blobFinding(message: string): Finding {
  return { area: 'encrypted_blob', path: PATHS.blob, message };
}

function wrongCrc(path: string): Finding {
  return { area: 'layout', reason: 'wrong_crc', path, message: `${path} does not match its CRC-32` };
}
