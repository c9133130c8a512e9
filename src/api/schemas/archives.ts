import { Type } from 'typebox';
import { Hex32, type JsonObject, nullable } from '../../../protocols/common/v1/schema.ts';

/** Media type of `.capsule` files. */
export const ARCHIVE_TYPE = 'application/vnd.capsule+zip';
/** As which an archive may be sent. */
export const ARCHIVE_TYPES = [ARCHIVE_TYPE, 'application/zip', 'application/octet-stream'] as const;

/** The bytes of an archive, as a body. */
export const ArchiveBytes = Type.Unsafe<Uint8Array>({
  type: 'string',
  format: 'binary',
  description: 'A `.capsule` file.',
});

const keys = (description: string, maxItems: number) =>
  Type.Optional(Type.Array(Hex32, { maxItems, description }));

/** Recipients that one archive is sealed to: each of them costs a key agreement. */
const MAX_RECIPIENTS = 64;
/** Keys of an allowlist, in the address of a request. */
const MAX_ALLOWED = 128;

export const SealQuery = Type.Object(
  {
    recipient: keys(
      'X25519 key of a recipient, who can open it: 64 hex characters; may be repeated. Without one it is not encrypted.',
      MAX_RECIPIENTS,
    ),
  },
  { additionalProperties: false },
);

export const VerifyQuery = Type.Object(
  {
    allowlist: keys(
      'Ed25519 key that is trusted, 64 hex characters; may be repeated. Without one no signer is trusted.',
      MAX_ALLOWED,
    ),
    strict: Type.Optional(
      Type.Boolean({ description: 'Whether what the format only demands counts as a failure too.' }),
    ),
  },
  { additionalProperties: false },
);

const texts = Type.Array(Type.String());
const area = { ok: Type.Boolean(), errors: texts };
const signer = Type.Object({
  role: Type.String(),
  public_key: Hex32,
  valid: Type.Boolean({ description: 'The signature holds.' }),
  trusted: Type.Boolean({ description: 'It holds, and the key is on the allowlist.' }),
});

/** What `verificationReport` makes (`src/archive/report.ts`), described. */
export const VerificationReport = Type.Unsafe<JsonObject>(
  Type.Object({
    ok: Type.Boolean({ description: 'Nothing is wrong; says nothing about who signed.' }),
    level: Type.Enum(['L2', 'L3']),
    readable: Type.Boolean({ description: 'False where it is no archive, or one that is refused unread.' }),
    capsule_id: nullable(Hex32),
    signed_at: nullable(Type.String()),
    failing: Type.Array(Type.String(), { description: 'Areas that fail.' }),
    errors: Type.Array(Type.String(), { description: 'Everything that is wrong, each with its area.' }),
    layout: Type.Object({
      ok: Type.Boolean(),
      errors: Type.Array(
        Type.Object({
          reason: nullable(Type.String()),
          path: nullable(Type.String()),
          message: Type.String(),
        }),
      ),
    }),
    identity: Type.Object(area),
    content_index: Type.Object(area),
    chain: Type.Object({
      ok: Type.Boolean(),
      errors: Type.Array(Type.Object({ seq: nullable(Type.Integer()), message: Type.String() })),
    }),
    envelope: Type.Object({ ...area, signers: Type.Array(signer) }),
    encrypted_blob: Type.Object(area),
    warnings: texts,
    notes: texts,
    trusted_signer_count: Type.Integer(),
  }),
);
