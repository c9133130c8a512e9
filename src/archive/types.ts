import { type Static, Type } from 'typebox';
import {
  type ArchiveEvent,
  type DecryptionMetadata,
  type Envelope,
  EVENT_KINDS,
  type Manifest,
  type Participant,
  type SkillTier,
} from '../../protocols/archive/v1/schema.ts';
import { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { ArchiveCrypto } from './crypto/crypto.ts';

/** What every part of the library needs from its host: native in Node.js, WebCrypto and noble in a browser. */
export interface ArchiveComponents {
  crypto: ArchiveCrypto;
}

/** Bytes that can be read anywhere: memory, a file, a Blob. Reading never gives fewer bytes than asked for. */
export interface ByteSource {
  /** bytes */
  readonly size: number;
  /** `offset + length` never exceeds `size`. What is given stays unchanged and may share memory. */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
}

/** Takes bytes in order; a promise is back-pressure. */
export type ByteSink = (chunk: Uint8Array) => void | Promise<void>;

/** Checked from the central directory before anything is unpacked, and again on the bytes that come out. */
export interface ArchiveLimits {
  maxEntries: number;
  /** Sum over all entries, unpacked. */
  maxTotalBytes: number;
}
export const ARCHIVE_LIMITS: ArchiveLimits = { maxEntries: 10_000, maxTotalBytes: 1_073_741_824 };

/** One file of an archive, as its central directory and its local header both state it. */
export interface ArchiveEntry {
  readonly path: string;
  /** Unpacked bytes. */
  readonly size: number;
  /** Position of the entry's first data byte in the source. */
  readonly dataOffset: number;
  readonly compressedSize: number;
  readonly crc32: number;
  /** True for deflate: readable, and reported, since STORED is the rule. */
  readonly compressed: boolean;
}

/** The container, opened: every entry is safe to name, none is unpacked yet. In the order of the central directory. */
export interface Container {
  readonly entries: ReadonlyMap<string, ArchiveEntry>;
  readonly source: ByteSource;
  /** Departures from the writer's rules that do no harm: order, timestamps, compression, gaps. */
  readonly warnings: readonly string[];
}

/** Why a container is refused; stable names, for vectors and scripts. */
export const LAYOUT_REASONS = [
  'not_a_zip',
  'truncated',
  'inconsistent_directory',
  'overlapping_entries',
  'local_header_mismatch',
  'unsafe_path',
  'duplicate_entry',
  'symlink_entry',
  'encrypted_entry',
  'unsupported_compression',
  'entry_count_limit',
  'total_size_limit',
  'wrong_size',
  'wrong_crc',
  'missing_required_file',
  'invalid_utf8',
  'invalid_json',
  'invalid_shape',
  'unsupported_version',
  'unsupported_profile',
] as const;
export type LayoutReason = (typeof LAYOUT_REASONS)[number];

export const AREAS = ['layout', 'identity', 'content_index', 'chain', 'envelope', 'encrypted_blob'] as const;
export type Area = (typeof AREAS)[number];

/** One thing that is wrong, or with `warnings` one that only `strict` minds. */
export interface Finding {
  area: Area;
  /** A clause without a full stop: `program.md does not match its SHA-256`. */
  message: string;
  /** Only in `layout`. */
  reason?: LayoutReason;
  /** The entry it is about. */
  path?: string;
  /** The event it is about, by its place in the file, from 1. */
  seq?: number;
}

export interface SignerVerdict {
  role: string;
  public_key: string;
  /** The signature holds under this key and this role. */
  valid: boolean;
  /** Valid, and the key is on the caller's allowlist. */
  trusted: boolean;
}

/** What verification found (archive-v0.6 "Verification levels"). Never thrown: every input has one. */
export interface Verification {
  /** No finding. Says nothing about who signed: that is `trusted`. */
  ok: boolean;
  level: 'L2' | 'L3';
  /** False where the container or one of its two documents could not be read at all. */
  readable: boolean;
  /** Areas with at least one finding, in the order of `AREAS`. */
  failing: Area[];
  findings: Finding[];
  /** What `strict` would have made findings of. */
  warnings: Finding[];
  /** Plain sentences for a person, such as that nobody was on an allowlist. */
  notes: string[];
  signers: SignerVerdict[];
  /** Distinct keys that are trusted. */
  trustedSigners: number;
  /** As stored, once they had the right shape; null where they were not readable. */
  manifest: Manifest | null;
  envelope: Envelope | null;
  /** Events of the plain archive, or of the inner one at L3; empty where there were none to be read. */
  events: ArchiveEvent[];
}

export interface VerifyOptions {
  limits?: Partial<ArchiveLimits>;
  /** 64-hex Ed25519 keys. */
  allowlist?: Iterable<string>;
  strict?: boolean;
  /** Secret of a recipient: makes it L3. Either a 32-byte X25519 secret or an Ed25519 seed it is derived from. */
  recipientSecret?: Uint8Array;
  signal?: AbortSignal | undefined;
}

/** A file to seal: its whole bytes, or a source that is read twice and must not change in between. */
export interface FileInput {
  path: string;
  content: Uint8Array | ByteSource;
}

const Text = Type.String({ minLength: 1 });

/** An event before it has a place in a chain, maybe as JSON by hand: what is misspelt is refused, not dropped. */
export const EventDraft = Type.Object(
  {
    actor: Text,
    kind: Type.Enum(EVENT_KINDS),
    action: Text,
    target: Text,
    /** ISO 8601 UTC, whole seconds; the sealing time where it is left out. */
    timestamp: Type.Optional(Type.String()),
    payload: Type.Optional(JsonObject),
    /** Dotted paths from `payload`; `payload.summary` and `payload.statement` where present, when left out. */
    untrusted_payload_fields: Type.Optional(Type.Array(Type.String())),
    /** `evt_001` by convention, when left out. */
    event_id: Type.Optional(Text),
    /** False leaves this event's narrative fields as written. */
    pith: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type EventDraft = Static<typeof EventDraft>;

/** Signs as one key in one role. */
export interface ArchiveSigner {
  role: string;
  /** 64-hex */
  publicKey: string;
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** Everything an archive is made of. The same draft, signers and time give the same bytes, unless it is encrypted. */
export interface ArchiveDraft {
  program: string;
  agents?: string;
  /** `instructions` becomes SKILL.md. */
  skills?: { id: string; tier: SkillTier; metadata: JsonObject; instructions?: string }[];
  /** Paths below `payload/`, with or without that prefix. */
  payload?: FileInput[];
  participants: Participant[];
  originatorLabel?: string;
  events?: EventDraft[];
  /** False leaves narrative fields as written. */
  pith?: boolean;
}

export interface SealOptions {
  /** One of them has the role `originator`. */
  signers: ArchiveSigner[];
  /** ISO 8601 UTC, whole seconds. */
  sealedAt: string;
  /** 64-hex X25519 public keys; none leaves the archive plain. */
  recipients?: string[];
  signal?: AbortSignal;
}

export interface Sealed {
  capsuleId: string;
  entryHash: string;
  manifest: Manifest;
  envelope: Envelope;
  /** Length of the archive in bytes, known before anything is written. */
  size: number;
}

/** An archive that verified, ready to be read, projected or continued. */
export interface OpenedArchive {
  /** The outer manifest and envelope. */
  verification: Verification;
  /** The plain container: the archive itself, or the decrypted inner one. */
  container: Container;
  /** Manifest and envelope of that container. */
  manifest: Manifest;
  envelope: Envelope;
  events: ArchiveEvent[];
  /** Of an encrypted archive, else null. */
  decryption: DecryptionMetadata | null;
}
