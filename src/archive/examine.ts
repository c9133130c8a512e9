import type { Envelope, Manifest } from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { canonicalBytes } from './canonical.ts';
import { checkChain, type ReadEvent } from './chain.ts';
import { checkCheckpoints } from './checkpoint.ts';
import { indexHash, isIndexed } from './content-index.ts';
import {
  asEnvelope,
  asManifest,
  MAX_CHAIN_BYTES,
  parseDocument,
  parseEvents,
  type Stored,
} from './documents.ts';
import { checkEnvelope, checkSigners } from './envelope.ts';
import { Findings } from './findings.ts';
import { capsuleId } from './identity.ts';
import { LayoutError, missingFile } from './layout-error.ts';
import { PATHS, REQUIRED_ENCRYPTED, REQUIRED_PLAIN } from './paths.ts';
import { unsupportedRules } from './rules.ts';
import { programFields, strictDocuments, strictEvents } from './strict.ts';
import type { ArchiveComponents, Container, Finding, SignerVerdict } from './types.ts';
import { digestEntry, readUnchecked } from './zip/content.ts';

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
}

export interface ExamineOptions {
  allowlist: ReadonlySet<string>;
  strict: boolean;
  signal?: AbortSignal | undefined;
}

const SKILL_METADATA = /^skills\/(?!decryption\/)[^/]+\/skill\.json$/;

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

export function layoutFinding({ reason, message, path }: LayoutError): Finding {
  return { area: 'layout', reason, message: message.replace(/\.$/, ''), ...(path !== null && { path }) };
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
  const digests = await examiner.contentIndex(manifest.value, envelope.value);
  if (envelope.value.cipher === 'none') await examiner.chain(manifest.value, envelope.value);
  else examiner.blob(envelope.value, digests.get(PATHS.blob));
  await examiner.signatures(envelope);
  examiner.strictness(manifest, envelope);
}

class Examiner {
  readonly #components: ArchiveComponents;
  readonly #container: Container;
  readonly #options: ExamineOptions;
  readonly #to: Examination;
  /** Read for its hash already, and walked afterwards. */
  #chain: Uint8Array | null = null;

  constructor(components: ArchiveComponents, container: Container, options: ExamineOptions, to: Examination) {
    this.#components = components;
    this.#container = container;
    this.#options = options;
    this.#to = to;
    for (const message of container.warnings) this.#departure([{ area: 'layout', message }]);
  }

  fail(finding: Finding): void {
    this.#to.findings.add(finding);
  }

  failAll(findings: Iterable<Finding>): void {
    this.#to.findings.addAll(findings);
  }

  /** Manifest or envelope; throws LayoutError where it is not JSON. A wrong CRC alone does not keep it from being read. */
  async document(path: string): Promise<JsonObject> {
    const entry = this.#container.entries.get(path);
    if (entry === undefined) throw missingFile(path);
    const { bytes, crcMatches } = await readUnchecked(this.#components, this.#container, entry);
    const document = parseDocument(path, bytes);
    if (!crcMatches) this.fail(wrongCrc(path));
    return document;
  }

  layout({ encryption }: Manifest, { cipher }: Envelope): void {
    if (encryption && encryption.metadata_path !== PATHS.decryption)
      this.fail({
        area: 'layout',
        reason: 'invalid_shape',
        message: 'manifest.encryption has another metadata_path',
      });
    for (const path of cipher === 'none' ? REQUIRED_PLAIN : REQUIRED_ENCRYPTED) {
      if (this.#container.entries.has(path)) continue;
      this.fail({ area: 'layout', reason: 'missing_required_file', path, message: `${path} is missing` });
      if (path === PATHS.chain) this.fail({ area: 'chain', message: 'there is no chain' });
      if (path === PATHS.blob) this.fail({ area: 'encrypted_blob', message: 'there is no content.enc' });
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
    this.failAll(checkEnvelope(envelope.value, manifest.value));
  }

  /** Every file against the index, and the index against the files. Gives the hash of each file. */
  async contentIndex(manifest: Manifest, envelope: Envelope): Promise<Map<string, string>> {
    const digests = await this.#digests();
    const listed = new Map<string, string>();
    const fail = (path: string, message: string) =>
      this.fail({ area: 'content_index', path, message: `${path} ${message}` });
    let before = '';
    for (const { path, sha256 } of manifest.content_index.files) {
      if (listed.has(path)) fail(path, 'is in the index twice');
      else if (path < before)
        this.#departure([{ area: 'content_index', path, message: 'the index is not sorted' }]);
      listed.set(path, sha256);
      before = path;
      if (!isIndexed(path, envelope.cipher)) fail(path, 'may not be in the index');
      else if (!this.#container.entries.has(path)) fail(path, 'is in the index and not in the archive');
    }
    for (const [path, { sha256, crcMatches }] of digests) {
      const expected = listed.get(path);
      const matches = expected === sha256;
      if (isIndexed(path, envelope.cipher)) {
        if (expected === undefined) fail(path, 'is not in the index');
        else if (!matches) fail(path, 'does not match its SHA-256');
      }
      // Where the hash fails as well, the checksum tells nothing more.
      if (!crcMatches && (matches || !isIndexed(path, envelope.cipher))) this.fail(wrongCrc(path));
    }
    return new Map([...digests].map(([path, { sha256 }]) => [path, sha256]));
  }

  /** The whole chain and its two anchors. */
  async chain(manifest: Manifest, envelope: Envelope): Promise<void> {
    if (this.#chain === null) return;
    const events = parseEvents(this.#chain, this.#to.findings);
    this.#to.events = events;
    const actors = new Set(manifest.participants.map(({ actor_id: actor }) => actor));
    this.failAll(checkChain(this.#components.crypto, events, actors));
    const anchor = (name: 'first_event_hash' | 'entry_hash', event: ReadEvent | undefined, which: string) => {
      if (event !== undefined && event.event.hash !== envelope[name])
        this.fail({ area: 'chain', message: `envelope.${name} is not the hash of the ${which} event` });
    };
    anchor('first_event_hash', events[0], 'first');
    anchor('entry_hash', events.at(-1), 'last');
    const plain = events.map(({ event }) => event);
    this.failAll(await checkCheckpoints(this.#components, plain));
    this.#departure(strictEvents(events));
    if (this.#chain.at(-1) !== LINE_FEED)
      this.#departure([{ area: 'chain', message: 'the last event is not ended by a line feed' }]);
  }

  blob({ encrypted_blob_hash: expected }: Envelope, digest: string | undefined): void {
    if (digest !== undefined && digest !== expected)
      this.fail({
        area: 'encrypted_blob',
        path: PATHS.blob,
        message: 'encrypted_blob_hash is not the hash of content.enc',
      });
  }

  async signatures(envelope: Stored<Envelope>): Promise<void> {
    const { signers, findings } = await checkSigners(
      this.#components,
      envelope.value,
      envelope.stored,
      this.#options.allowlist,
    );
    this.#to.signers = signers;
    this.failAll(findings);
  }

  strictness(manifest: Stored<Manifest>, envelope: Stored<Envelope>): void {
    this.#departure(strictDocuments(manifest.value, manifest.stored, envelope.value));
  }

  async #digests(): Promise<Map<string, { sha256: string; crcMatches: boolean }>> {
    const { crypto } = this.#components;
    const digests = new Map<string, { sha256: string; crcMatches: boolean }>();
    for (const [path, entry] of this.#container.entries) {
      this.#options.signal?.throwIfAborted();
      if (path === PATHS.manifest || path === PATHS.envelope) continue;
      try {
        if (path === PATHS.chain && entry.size > MAX_CHAIN_BYTES)
          this.fail({
            area: 'chain',
            path,
            message: `the chain has more than ${String(MAX_CHAIN_BYTES)} bytes`,
          });
        else if (path === PATHS.chain || SKILL_METADATA.test(path)) {
          const { bytes, crcMatches } = await readUnchecked(this.#components, this.#container, entry);
          digests.set(path, { sha256: await crypto.digestHex(bytes), crcMatches });
          if (path === PATHS.chain) this.#chain = bytes;
          else this.#skill(path, bytes);
          continue;
        }
        digests.set(path, await digestEntry(this.#components, this.#container, entry, this.#options.signal));
      } catch (error) {
        if (!(error instanceof LayoutError)) throw error;
        this.fail(layoutFinding(error));
      }
    }
    return digests;
  }

  #skill(path: string, bytes: Uint8Array): void {
    for (const name of programFields(parseDocument(path, bytes))) {
      const message = `${path} has the field ${name}: a skill is no program`;
      this.fail({ area: 'layout', reason: 'invalid_shape', path, message });
    }
  }

  /** From the rules of the format, without harm: a finding when strict, else a warning. */
  #departure(findings: readonly Finding[]): void {
    (this.#options.strict ? this.#to.findings : this.#to.warnings).addAll(findings);
  }
}

const LINE_FEED = 0x0a;

const wrongCrc = (path: string): Finding => ({
  area: 'layout',
  reason: 'wrong_crc',
  path,
  message: `${path} does not match its CRC-32`,
});
