import { type Static, Type } from 'typebox';
import { Hex32, Hex64, JsonObject, nullable } from '../../common/v1/schema.ts';

/*
 * Documents inside a `.capsule` archive, format 0.6. Objects are open: members that this version does not know are kept
 * and stay covered by the hashes, because every hash is made over the document as stored. What the mathematics needs is
 * required here; what the format text demands beyond that is checked by `strict` (archive-v0.6 "Verification levels").
 */

export const ARCHIVE_VERSION = '0.6';
export const CIPHER = 'ChaCha20-Poly1305';
/** Of one envelope, and of one `decryption.json`. */
export const MAX_SIGNERS = 256;
export const MAX_RECIPIENTS = 1024;
/** 24 hex characters: a ChaCha20-Poly1305 nonce. */
const Nonce = Type.String({ pattern: '^[0-9a-f]{24}$' });
/** 96 hex characters: a wrapped 32-byte content key and its 16-byte tag. */
const WrappedKey = Type.String({ pattern: '^[0-9a-f]{96}$' });

export const Participant = Type.Object({
  actor_id: Type.String({ minLength: 1, maxLength: 512 }),
  role: Type.Optional(Type.String({ maxLength: 256 })),
  label: Type.Optional(nullable(Type.String({ maxLength: 1024 }))),
});
export type Participant = Static<typeof Participant>;

export const IndexedFile = Type.Object({ path: Type.String({ minLength: 1 }), sha256: Hex32 });
export type IndexedFile = Static<typeof IndexedFile>;

export const SkillTier = Type.Union([Type.Literal('signed'), Type.Literal('unsigned')]);
export type SkillTier = Static<typeof SkillTier>;

/** `manifest.json` (archive-v0.6 "Manifest"). */
export const Manifest = Type.Object({
  format: Type.Object({
    version: Type.String(),
    container: Type.Literal('zip'),
    canonicalization: Type.Literal('JCS-RFC8785'),
    hash_algorithm: Type.Literal('SHA-256'),
  }),
  id: Hex32,
  originator: Type.Object({ public_key: Hex32, label: Type.Optional(nullable(Type.String())) }),
  participants: Type.Array(Participant),
  first_event_hash: Hex32,
  content_index: Type.Object({ files: Type.Array(IndexedFile), index_hash: Hex32 }),
  skill_trust: Type.Optional(Type.Record(Type.String(), SkillTier)),
  encryption: Type.Optional(nullable(Type.Object({ metadata_path: Type.String(), cipher: Type.String() }))),
  created_at: Type.Optional(Type.String()),
});
export type Manifest = Static<typeof Manifest>;

export const EVENT_KINDS = ['decision', 'observation', 'mutation', 'session', 'checkpoint'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** One line of `chain/events.jsonl` (archive-v0.6 "Event chain"). An unknown `kind` is a finding, not malformed. */
export const ArchiveEvent = Type.Object({
  seq: Type.Integer(),
  event_id: Type.Optional(Type.String()),
  actor: Type.String(),
  kind: Type.String(),
  action: Type.Optional(Type.String()),
  target: Type.Optional(Type.String()),
  timestamp: Type.Optional(Type.String()),
  payload: Type.Optional(JsonObject),
  untrusted_payload_fields: Type.Optional(Type.Array(Type.String())),
  prev_hash: Hex32,
  hash: Hex32,
});
export type ArchiveEvent = Static<typeof ArchiveEvent>;

/** A key or signature that is not lowercase hex makes the signature invalid, not the envelope unreadable. */
export const EnvelopeSigner = Type.Object({
  role: Type.String({ minLength: 1, maxLength: 128 }),
  public_key: Type.String({ minLength: 1, maxLength: 64 }),
  signature: Type.String({ minLength: 1, maxLength: 128 }),
});
export type EnvelopeSigner = Static<typeof EnvelopeSigner>;

/** `provenance/envelope.json` (archive-v0.6 "Envelope"). */
export const Envelope = Type.Object({
  version: Type.String(),
  capsule_id: Hex32,
  first_event_hash: Hex32,
  entry_hash: Hex32,
  manifest_hash: Hex32,
  content_index_hash: Hex32,
  encrypted_blob_hash: nullable(Hex32),
  cipher: Type.String(),
  signed_at: Type.String(),
  signers: Type.Array(EnvelopeSigner, { minItems: 1, maxItems: MAX_SIGNERS }),
});
export type Envelope = Static<typeof Envelope>;

export const KeyBundle = Type.Object({
  recipient_public_key: Hex32,
  ephemeral_public_key: Hex32,
  wrap_nonce: Nonce,
  wrapped_key: WrappedKey,
});
export type KeyBundle = Static<typeof KeyBundle>;

/** `skills/decryption/decryption.json` (archive-v0.6 "Encryption"). */
export const DecryptionMetadata = Type.Object({
  cipher: Type.String(),
  content_nonce: Nonce,
  key_bundles: Type.Array(KeyBundle, { minItems: 1, maxItems: MAX_RECIPIENTS }),
});
export type DecryptionMetadata = Static<typeof DecryptionMetadata>;

/** `skills/<id>/skill.json`: skills are instructions, never programs. */
export const FORBIDDEN_SKILL_FIELDS = ['runtime', 'entrypoint', 'command', 'tool_id'] as const;

export const KeyStatus = Type.Union([
  Type.Literal('active'),
  Type.Literal('retired'),
  Type.Literal('revoked'),
]);
export type KeyStatus = Static<typeof KeyStatus>;

/** A `capsule-signers` document: keys that an issuer vouches for, with their lifecycle. */
export const SignersDocument = Type.Object({
  version: Type.String(),
  issuer: Type.String({ minLength: 1, maxLength: 253 }),
  updated_at: Type.String(),
  keys: Type.Array(
    Type.Object({
      public_key: Hex32,
      algo: Type.Literal('ed25519'),
      roles: Type.Array(Type.String(), { maxItems: 64 }),
      label: Type.Optional(nullable(Type.String())),
      not_before: Type.Optional(nullable(Type.String())),
      not_after: Type.Optional(nullable(Type.String())),
      status: KeyStatus,
      revoked_at: Type.Optional(nullable(Type.String())),
    }),
    { maxItems: 10_000 },
  ),
});
export type SignersDocument = Static<typeof SignersDocument>;

/** Statement of an issuer that binds one signer of one archive to a subject (profile `ed25519-jcs`). */
export const IdentityAttestation = Type.Object({
  typ: Type.Literal('capsule-identity-attestation'),
  spec_version: Type.Literal(ARCHIVE_VERSION),
  alg: Type.Literal('ed25519-jcs'),
  issuer: Type.String({ minLength: 1 }),
  kid: Type.Optional(Type.String()),
  claims: Type.Object({
    capsule_id: Hex32,
    signer_public_key: Hex32,
    signer_role: Type.String({ minLength: 1 }),
    subject: JsonObject,
    issued_at: Type.Optional(Type.String()),
    expires_at: Type.String(),
  }),
  signature: Hex64,
});
export type IdentityAttestation = Static<typeof IdentityAttestation>;

/** What a host demands of an archive's signers. */
export const SignerPolicy = Type.Object({
  required: Type.Array(
    Type.Object({
      role: Type.String({ minLength: 1 }),
      /** Distinct keys that must have signed in this role; 1 where it is left out. */
      quorum: Type.Optional(Type.Integer({ minimum: 1, maximum: 256 })),
      /** Only signers whose attested subject has this `org_role` count. */
      org_role: Type.Optional(Type.String()),
      /** Whether a signer counts only with a verified attestation; implied by `org_role`. */
      attested: Type.Optional(Type.Boolean()),
    }),
    { minItems: 1, maxItems: 64 },
  ),
});
export type SignerPolicy = Static<typeof SignerPolicy>;
