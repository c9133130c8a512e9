import {
  CIPHER,
  type DecryptionMetadata,
  type Envelope,
  type Manifest,
} from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { canonicalBytes } from './canonical.ts';
import { checkChain, type ReadEvent } from './chain.ts';
import { checkCheckpoints } from './checkpoint.ts';
import { indexHash, isIndexed } from './content-index.ts';
import { asEnvelope, asManifest, parseEvents, readDocument, type Stored } from './documents.ts';
import { checkEnvelope, checkSigners } from './envelope.ts';
import { type FilesRead, readFiles } from './examine-files.ts';
import { Findings, layoutFinding, quoted, type Report } from './findings.ts';
import { capsuleId } from './identity.ts';
import { LayoutError } from './layout-error.ts';
import { metadataPathOf, PATHS, REQUIRED_PLAIN } from './paths.ts';
import { unsupportedRules } from './rules.ts';
import { strictDocuments, strictEvents } from './strict.ts';
import type { ArchiveComponents, Container, Finding, SignerVerdict } from './types.ts';

/** All that one container says for itself, checked; an encrypted one from outside only. */
export interface Examination {
  /** False where manifest or envelope could not be read: nothing else is known then. */
  readable: boolean;
  findings: Findings;
  warnings: Findings;
  signers: SignerVerdict[];
  manifest: Stored<Manifest> | null;
  envelope: Stored<Envelope> | null;
  events: ReadEvent[];
  /** Of an encrypted archive, where it could be read. */
  decryption: DecryptionMetadata | null;
}

export interface ExamineOptions {
  allowlist: ReadonlySet<string>;
  strict: boolean;
  signal?: AbortSignal | undefined;
}

/** Checks one opened container (archive-v0.6 "Verification levels", L2). Throws only when aborted. */
export async function examine(
  components: ArchiveComponents,
  container: Container,
  options: ExamineOptions,
): Promise<Examination> {
  const examination: Examination = {
    readable: true,
    findings: new Findings(),
    warnings: new Findings(),
    signers: [],
    manifest: null,
    envelope: null,
    events: [],
    decryption: null,
  };
  try {
    await examineAll(new Examiner(components, container, options, examination));
  } catch (error) {
    if (!(error instanceof LayoutError)) throw error;
    examination.readable = false;
    examination.findings.add(layoutFinding(error));
  }
  return examination;
}

/** The order matters: no rule is applied before it is known that this version of the rules is meant. */
async function examineAll(examiner: Examiner): Promise<void> {
  const manifestFile = await examiner.document(PATHS.manifest);
  const envelopeFile = await examiner.document(PATHS.envelope);
  const unsupported = unsupportedRules(manifestFile, envelopeFile);
  if (unsupported !== null) {
    examiner.fail(unsupported);
    return;
  }
  const manifest = { value: asManifest(manifestFile), stored: manifestFile };
  const envelope = { value: asEnvelope(envelopeFile), stored: envelopeFile };
  examiner.layout(manifest.value, envelope.value);
  examiner.documents(manifest, envelope);
  const files = await examiner.files(manifest.value, envelope.value);
  examiner.contentIndex(manifest.value, envelope.value, files);
  examiner.blob(envelope.value, files);
  if (envelope.value.cipher === 'none') await examiner.chain(manifest.value, envelope.value, files);
  await examiner.signatures(envelope);
  strictDocuments(manifest.value, manifest.stored, envelope.value, examiner.departure);
}

class Examiner {
  readonly #components: ArchiveComponents;
  readonly #container: Container;
  readonly #options: ExamineOptions;
  readonly #to: Examination;
  readonly fail: Report;
  /** From the rules of the format, without harm: a finding when strict, else a warning. */
  readonly departure: Report;

  constructor(components: ArchiveComponents, container: Container, options: ExamineOptions, to: Examination) {
    this.#components = components;
    this.#container = container;
    this.#options = options;
    this.#to = to;
    const departures = options.strict ? to.findings : to.warnings;
    this.fail = (finding) => to.findings.add(finding);
    this.departure = (finding) => departures.add(finding);
    for (const message of container.warnings) this.departure({ area: 'layout', message });
  }

  /** Manifest or envelope; throws LayoutError where it is not JSON. A wrong CRC alone does not keep it from being read. */
  async document(path: string): Promise<JsonObject> {
    const { document, crcMatches } = await readDocument(this.#components, this.#container, path);
    if (!crcMatches) this.fail(wrongCrc(path));
    return document;
  }

  /** Files that have to be there, and those that have no business beside encrypted content. */
  layout(manifest: Manifest, { cipher }: Envelope): void {
    const { entries } = this.#container;
    const metadata = metadataPathOf(manifest);
    const isEncrypted = cipher !== 'none';
    if (metadata === null)
      this.fail({
        area: 'layout',
        reason: 'invalid_shape',
        message: 'manifest.encryption has a metadata_path outside of skills/decryption',
      });
    else if (metadata !== PATHS.decryption)
      this.departure({ area: 'layout', message: `metadata_path is not ${PATHS.decryption}` });
    const required = isEncrypted ? [PATHS.blob, metadata ?? PATHS.decryption] : REQUIRED_PLAIN;
    for (const path of required) {
      if (entries.has(path)) continue;
      const message = `${shown(path)} is missing`;
      this.fail({ area: 'layout', reason: 'missing_required_file', path, message });
      if (path === PATHS.chain) this.fail({ area: 'chain', message: 'there is no chain' });
      if (path === PATHS.blob) this.fail({ area: 'encrypted_blob', message: 'there is no content.enc' });
    }
    if (!isEncrypted) return;
    const outside = new Set<string>([PATHS.manifest, PATHS.envelope, ...required]);
    for (const path of entries.keys()) {
      if (!outside.has(path))
        this.departure({ area: 'layout', path, message: `${path} lies beside the encrypted content` });
    }
  }

  /** What manifest and envelope say about themselves and each other. */
  documents(manifest: Stored<Manifest>, envelope: Stored<Envelope>): void {
    const { crypto } = this.#components;
    this.#to.manifest = manifest;
    this.#to.envelope = envelope;
    const { id, originator, first_event_hash: firstEvent, content_index: index } = manifest.value;
    const identity = (message: string) => this.fail({ area: 'identity', message });
    const expected = capsuleId(crypto, originator.public_key, firstEvent);
    if (id !== expected)
      identity("manifest.id does not follow from the originator's key and the first event");
    if (envelope.value.capsule_id !== id) identity('envelope.capsule_id is not manifest.id');
    if (envelope.value.first_event_hash !== firstEvent)
      identity('envelope.first_event_hash is not manifest.first_event_hash');
    if (crypto.sha256Hex(canonicalBytes(manifest.stored)) !== envelope.value.manifest_hash)
      this.fail({ area: 'envelope', message: 'manifest_hash is not the hash of manifest.json' });
    const hash = indexHash(crypto, index.files);
    if (hash !== index.index_hash)
      this.fail({ area: 'content_index', message: 'index_hash is not the hash of the list of files' });
    if (envelope.value.content_index_hash !== index.index_hash)
      this.fail({ area: 'content_index', message: "content_index_hash is not the manifest's index_hash" });
    for (const finding of checkEnvelope(envelope.value, manifest.value)) this.fail(finding);
  }

  async files(manifest: Manifest, { cipher }: Envelope): Promise<FilesRead> {
    const files = await readFiles(this.#components, this.#container, {
      metadataPath: cipher === 'none' ? null : metadataPathOf(manifest),
      report: this.fail,
      signal: this.#options.signal,
    });
    this.#to.decryption = files.decryption;
    return files;
  }

  /** Every file against the index, and the index against the files. */
  contentIndex(manifest: Manifest, { cipher }: Envelope, { digests }: FilesRead): void {
    const listed = new Map<string, string>();
    const fail = (path: string, message: string) =>
      this.fail({ area: 'content_index', path, message: `${shown(path)} ${message}` });
    let before = '';
    for (const { path, sha256 } of manifest.content_index.files) {
      if (listed.has(path)) fail(path, 'is in the index twice');
      else if (path < before)
        this.departure({ area: 'content_index', path, message: 'the index is not sorted' });
      listed.set(path, sha256);
      before = path;
      if (!isIndexed(path, cipher)) fail(path, 'may not be in the index');
      else if (!this.#container.entries.has(path)) fail(path, 'is in the index and not in the archive');
    }
    for (const [path, { sha256, crcMatches }] of digests) {
      const expected = listed.get(path);
      const matches = expected === sha256;
      if (isIndexed(path, cipher)) {
        if (expected === undefined) fail(path, 'is not in the index');
        else if (!matches) fail(path, 'does not match its SHA-256');
        // A plain archive has no blob; what the index does not know failed already.
        else if (path === PATHS.blob) this.fail(blobFinding('content.enc is there, and the cipher is none'));
      }
      // Where the hash fails as well, the checksum tells nothing more.
      if (!crcMatches && (matches || !isIndexed(path, cipher))) this.fail(wrongCrc(path));
    }
  }

  /** The whole chain and its two anchors. */
  async chain(manifest: Manifest, envelope: Envelope, files: FilesRead): Promise<void> {
    if (files.chain === null) return;
    const events = parseEvents(files.chain, this.fail);
    this.#to.events = events;
    const actors = new Set(manifest.participants.map(({ actor_id: actor }) => actor));
    checkChain(this.#components.crypto, events, actors, this.fail);
    const anchor = (name: 'first_event_hash' | 'entry_hash', event: ReadEvent | undefined, which: string) => {
      if (event !== undefined && event.event.hash !== envelope[name])
        this.fail({ area: 'chain', message: `envelope.${name} is not the hash of the ${which} event` });
    };
    anchor('first_event_hash', events[0], 'first');
    anchor('entry_hash', events.at(-1), 'last');
    await checkCheckpoints(this.#components, events, this.fail, this.#options.signal);
    strictEvents(events, this.departure);
    // Within a text it would be escaped, so that it can only be white space.
    if (files.chain.includes(CARRIAGE_RETURN))
      this.departure({ area: 'chain', message: 'lines are ended by more than a line feed' });
    if (files.chain.at(-1) !== LINE_FEED)
      this.departure({ area: 'chain', message: 'the last event is not ended by a line feed' });
  }

  /** Ciphertext and metadata of an encrypted archive, as far as they can be judged without a key. */
  blob(envelope: Envelope, { digests, decryption }: FilesRead): void {
    const { cipher, encrypted_blob_hash: expected } = envelope;
    if (cipher === 'none') return;
    const digest = digests.get(PATHS.blob)?.sha256;
    if (digest !== undefined && digest !== expected)
      this.fail(blobFinding('encrypted_blob_hash is not the hash of content.enc'));
    if (decryption !== null && decryption.cipher !== CIPHER)
      this.fail(blobFinding(`the metadata names the cipher ${quoted(decryption.cipher)}`));
  }

  async signatures(envelope: Stored<Envelope>): Promise<void> {
    const { allowlist } = this.#options;
    const { signers, findings } = await checkSigners(
      this.#components,
      envelope.value,
      envelope.stored,
      allowlist,
    );
    this.#to.signers = signers;
    for (const finding of findings) this.fail(finding);
  }
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const MAX_SHOWN_PATH_CHARS = 200;

/** The index may name what no container could hold. */
const shown = (path: string): string =>
  path.length <= MAX_SHOWN_PATH_CHARS ? path : `${path.slice(0, MAX_SHOWN_PATH_CHARS)}…`;

const blobFinding = (message: string): Finding => ({ area: 'encrypted_blob', path: PATHS.blob, message });

const wrongCrc = (path: string): Finding => ({
  area: 'layout',
  reason: 'wrong_crc',
  path,
  message: `${path} does not match its CRC-32`,
});
