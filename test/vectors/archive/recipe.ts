import type { ArchiveEvent, Envelope, IndexedFile } from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { type RawEntry, type RawZipOptions, rawZip } from '../../support/raw-zip.ts';
import { canonicalBytes, sha256 } from '../primitives.ts';
import {
  CIPHER,
  capsuleId,
  encryptContent,
  GENESIS,
  linesOf,
  linkEvents,
  PATHS,
  type Signer,
  signEnvelope,
  type UnlinkedEvent,
} from './format.ts';
import { alice, recipient, signer } from './keys.ts';

/*
 * A sealer that can be told to do wrong at every stage, and then goes on as if nothing had happened: all that comes after
 * a stage is made over what the stage gave, so that exactly one rule is broken.
 */

export const TIME = '2026-05-21T12:00:00Z';
const utf8 = new TextEncoder();
/** Bytes of a text, or the bytes themselves. */
export const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === 'string' ? utf8.encode(content) : content;

export type Files = Map<string, Uint8Array>;

/** Stages in their order. */
export interface Recipe {
  /** Added to program and chain; null leaves one out. */
  files?: Record<string, string | Uint8Array | null>;
  events?: UnlinkedEvent[];
  /** Linked events, before they are written and anchored. */
  chain?: (events: ArchiveEvent[]) => ArchiveEvent[];
  /** The bytes of the chain, before they are indexed. */
  lines?: (text: string) => string | Uint8Array;
  /** Files that will be indexed. */
  index?: (files: IndexedFile[]) => IndexedFile[];
  /** The manifest, before its hash is taken. */
  manifest?: (manifest: JsonObject) => void;
  /** The envelope, before it is signed. */
  envelope?: (envelope: JsonObject) => void;
  signers?: Signer[];
  /** The signed envelope. */
  signed?: (envelope: Envelope) => void;
  /** The whole archive, after sealing: tampering. */
  after?: (files: Files) => void;
}

export interface EncryptedRecipe extends Recipe {
  /** How the inner archive is made; the anchors of the outer one are those of `claimed` where it is there. */
  inner?: Recipe;
  claimed?: Recipe;
  recipients?: string[];
  /** Instead of the inner archive's ZIP. */
  content?: Uint8Array;
  /** Ciphertext and metadata, before they are sealed. */
  encrypted?: (blob: Uint8Array, metadata: JsonObject) => void;
}

export const PARTICIPANTS = [
  { actor_id: 'human:alice', role: 'originator', label: 'Alice' },
  { actor_id: 'ai:reviewer', role: 'reviewer', label: 'Reviewer' },
];

export const EVENTS: UnlinkedEvent[] = [
  event('human:alice', 'decision', 'asked', { summary: 'Compare both offers.' }, ['payload.summary']),
  event('ai:reviewer', 'observation', 'compared', { note: 'The second is cheaper.' }, ['payload.note']),
  event('human:alice', 'decision', 'accepted', { amount: 42 }),
];

export function event(
  actor: string,
  kind: string,
  action: string,
  payload: JsonObject,
  untrusted: string[] = [],
): UnlinkedEvent {
  const target = 'program.md';
  return { actor, kind, action, target, timestamp: TIME, payload, untrusted_payload_fields: untrusted };
}

interface Anchors {
  first: string;
  last: string;
}

/** A plain archive's files. */
export async function plain(recipe: Recipe = {}): Promise<Files> {
  const linked = linkEvents(recipe.events ?? EVENTS);
  const events = recipe.chain?.(structuredClone(linked)) ?? linked;
  const text = linesOf(events);
  const files: Files = new Map([
    [PATHS.program, utf8.encode('# Offers\n\nWhich of two offers to take.\n')],
    [PATHS.chain, bytesOf(recipe.lines?.(text) ?? text)],
  ]);
  put(files, recipe.files);
  const anchors = { first: events[0]?.hash ?? GENESIS, last: events.at(-1)?.hash ?? GENESIS };
  return seal(files, anchors, recipe, null);
}

/** An encrypted archive's files. */
export async function encrypted(label: string, recipe: EncryptedRecipe = {}): Promise<Files> {
  const inner = await plain(recipe.inner);
  const outside = recipe.claimed === undefined ? inner : await plain(recipe.claimed);
  const { first_event_hash: first, entry_hash: last, capsule_id: id } = envelopeOf(outside);
  const { blob, metadata } = encryptContent(
    label,
    {
      id,
      first,
      originator: alice.publicKey,
      recipients: recipe.recipients ?? [recipient.publicKey],
    },
    recipe.content ?? zip(inner),
  );
  recipe.encrypted?.(blob, metadata);
  const files: Files = new Map([
    [PATHS.blob, blob],
    [PATHS.decryption, utf8.encode(`${JSON.stringify(metadata, null, 2)}\n`)],
  ]);
  put(files, recipe.files);
  return seal(files, { first, last }, recipe, blob);
}

function put(files: Files, changes: Recipe['files'] = {}): void {
  for (const [path, content] of Object.entries(changes)) {
    if (content === null) files.delete(path);
    else files.set(path, bytesOf(content));
  }
}

function seal(files: Files, { first, last }: Anchors, recipe: Recipe, blob: Uint8Array | null): Files {
  const all = [...files]
    .filter(([path]) => path !== PATHS.blob || blob === null)
    .map(([path, content]) => ({ path, sha256: sha256(content) }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const indexed = recipe.index?.(all) ?? all;
  const indexHash = sha256(canonicalBytes(indexed));
  const manifest: JsonObject = {
    content_index: { files: indexed, index_hash: indexHash },
    created_at: TIME,
    encryption: blob === null ? null : { cipher: CIPHER, metadata_path: PATHS.decryption },
    first_event_hash: first,
    format: { canonicalization: 'JCS-RFC8785', container: 'zip', hash_algorithm: 'SHA-256', version: '0.6' },
    id: capsuleId(alice.publicKey, first),
    originator: { label: 'Alice', public_key: alice.publicKey },
    participants: structuredClone(PARTICIPANTS),
    skill_trust: {},
  };
  recipe.manifest?.(manifest);
  const unsigned = {
    version: '0.6',
    capsule_id: String(manifest.id),
    first_event_hash: first,
    entry_hash: last,
    manifest_hash: sha256(canonicalBytes(manifest)),
    content_index_hash: hashIn(manifest),
    encrypted_blob_hash: blob === null ? null : sha256(blob),
    cipher: blob === null ? 'none' : CIPHER,
    signed_at: TIME,
  };
  recipe.envelope?.(unsigned);
  const envelope = signEnvelope(unsigned, recipe.signers ?? [signer(alice)]);
  recipe.signed?.(envelope);
  files.set(PATHS.manifest, canonicalBytes(manifest));
  files.set(PATHS.envelope, utf8.encode(`${JSON.stringify(envelope, null, 2)}\n`));
  recipe.after?.(files);
  return files;
}

function hashIn({ content_index: index }: JsonObject): string {
  const isObject = typeof index === 'object' && index !== null && !Array.isArray(index);
  return isObject ? String(index.index_hash) : '';
}

export function envelopeOf(files: Files): Envelope {
  return JSON.parse(new TextDecoder().decode(files.get(PATHS.envelope)));
}

/** Entries as a conforming writer has them: in order, and a name beyond ASCII marked as UTF-8. */
export function entriesOf(files: Files): RawEntry[] {
  return [...files]
    .map(([name, content]) => ({ name, content, flags: isAscii(name) ? 0 : UTF8_FLAG }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

const UTF8_FLAG = 0x0800;
const isAscii = (name: string): boolean => utf8.encode(name).length === name.length;

export function zip(
  files: Files,
  change = (entries: RawEntry[]) => entries,
  options: RawZipOptions = {},
): Uint8Array {
  return rawZip(change(entriesOf(files)), options);
}

/** Puts other text into a file of a sealed archive. Throws where there is nothing to be changed. */
export function edit(files: Files, path: string, change: (text: string) => string): void {
  const before = new TextDecoder().decode(files.get(path));
  const after = change(before);
  if (before === after) throw new Error(`Nothing was changed in ${path}.`);
  files.set(path, utf8.encode(after));
}
