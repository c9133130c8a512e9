import { type Static, Type } from 'typebox';
import { checkOf } from '../../../src/lib/check.ts';

/*
 * The shapes that vector files have, ours and those of other implementations. Members that a shape does not name are
 * for people. Files are told apart by what is in them, never by their name.
 */

const Text = Type.String();
const Names = Type.Array(Text);

/** Public and private key, raw, hex. */
const KeyPair = Type.Object({ publicKey: Text, privateKey: Text });
export const KeyFile = Type.Record(Text, KeyPair, { minProperties: 1 });
export type KeyFile = Static<typeof KeyFile>;

const SignerExpected = Type.Object({ role: Text, valid: Type.Boolean(), trusted: Type.Boolean() });

export const Expected = Type.Object({
  ok: Type.Optional(Type.Boolean()),
  failing: Type.Optional(Names),
  /** `open`: refused before anything is verified. */
  stage: Type.Optional(Text),
  reason: Type.Optional(Text),
  /** An entry of the keys file whose secret opens the archive, and whether what is inside then verifies. */
  decryptable_with: Type.Optional(Text),
  inner_ok: Type.Optional(Type.Boolean()),
  /** Ours: places of the events that fail, from 1. */
  failing_events: Type.Optional(Type.Array(Type.Integer())),
  /** Ours: `not_a_recipient`, where the key of the vector opens nothing. */
  refused: Type.Optional(Text),
  /** Ours: areas with warnings. */
  warnings: Type.Optional(Names),
  signers: Type.Optional(Type.Array(SignerExpected)),
  /** Ours: the same archive under `strict`. */
  strict: Type.Optional(
    Type.Object({
      ok: Type.Boolean(),
      failing: Names,
      failing_events: Type.Optional(Type.Array(Type.Integer())),
    }),
  ),
});
export type Expected = Static<typeof Expected>;

const ArchiveVector = Type.Object({
  name: Text,
  capsule_file: Text,
  expected: Expected,
  /** Names in the keys file; the originator's key where it is left out. */
  allowlist: Type.Optional(Names),
  /** Ours: name in the keys file of the recipient whose secret is used. */
  key: Type.Optional(Text),
  limits: Type.Optional(
    Type.Object({
      max_entries: Type.Optional(Type.Integer()),
      max_total_bytes: Type.Optional(Type.Integer()),
    }),
  ),
});
export type ArchiveVector = Static<typeof ArchiveVector>;

const Meta = Type.Object({
  kind: Type.Optional(Text),
  /** `exact`: no area fails but those named. Otherwise those named do, as in the reference's own checker. */
  comparison: Type.Optional(Text),
});

const Collection = Type.Object({
  meta: Type.Optional(Meta),
  keys_file: Type.Optional(Text),
  originator_public_key_hex: Type.Optional(Text),
  vectors: Type.Array(ArchiveVector, { minItems: 1 }),
});
export type Collection = Static<typeof Collection>;

const Embedded = Type.Object({
  capsule_bytes_b64: Text,
  originator_public_key_hex: Type.Optional(Text),
  expected: Type.Object({
    capsule_id: Type.Optional(Text),
    first_event_hash: Type.Optional(Text),
    entry_hash: Type.Optional(Text),
    manifest_hash: Type.Optional(Text),
    content_index_hash: Type.Optional(Text),
    envelope_signature_hex: Type.Optional(Text),
    event_hashes: Type.Optional(Names),
  }),
});
export type Embedded = Static<typeof Embedded>;

const Numbers = Type.Object({
  vectors: Type.Array(
    Type.Object({
      ieee_hex: Type.String({ pattern: '^[0-9a-f]{16}$' }),
      expected: Text,
      accepted: Type.Optional(Type.Boolean()),
    }),
    { minItems: 1 },
  ),
});
export type Numbers = Static<typeof Numbers>;

const SigningInput = Type.Object({
  meta: Type.Object({ kind: Type.Literal('signing-input'), capsule_ref: Text }),
  capsule_id: Type.Object({
    domain_hex: Text,
    originator_public_key_hex: Text,
    first_event_hash_hex: Text,
    capsule_id_hex: Text,
  }),
  events: Type.Array(Type.Object({ prev_hash_hex: Text, canonical_bytes_hex: Text, hash_hex: Text })),
  manifest: Type.Object({ canonical_bytes_hex: Text, sha256_hex: Text }),
  content_index: Type.Object({ canonical_bytes_hex: Text, sha256_hex: Text }),
  envelope: Type.Object({
    canonical_payload_hex: Text,
    signers: Type.Array(
      Type.Object({
        role: Text,
        domain_hex: Text,
        signing_input_sha256: Text,
        public_key_hex: Text,
        signature_hex: Text,
      }),
    ),
  }),
});
export type SigningInput = Static<typeof SigningInput>;

const Pith = Type.Object({
  meta: Type.Object({ kind: Type.Literal('pith') }),
  vectors: Type.Array(Type.Object({ name: Text, text: Text, expected: Text }), { minItems: 1 }),
});
export type Pith = Static<typeof Pith>;

const KeyOrder = Type.Object({
  meta: Type.Object({ kind: Type.Literal('jcs-key-order') }),
  vectors: Type.Array(Type.Object({ name: Text, keys: Names, canonical_utf8_hex: Text }), { minItems: 1 }),
});
export type KeyOrder = Static<typeof KeyOrder>;

const Signatures = Type.Object({
  meta: Type.Object({ kind: Type.Literal('ed25519-verify') }),
  vectors: Type.Array(
    Type.Object({
      name: Text,
      public_key_hex: Text,
      message_hex: Text,
      signature_hex: Text,
      expected: Type.Object({ valid: Type.Boolean() }),
    }),
    { minItems: 1 },
  ),
});
export type Signatures = Static<typeof Signatures>;

const checks = {
  signingInput: checkOf(SigningInput),
  pith: checkOf(Pith),
  keyOrder: checkOf(KeyOrder),
  signatures: checkOf(Signatures),
  numbers: checkOf(Numbers),
  embedded: checkOf(Embedded),
  collection: checkOf(Collection),
  keys: checkOf(KeyFile),
};

export type Recognised =
  | { shape: 'signing-input'; document: SigningInput }
  | { shape: 'pith'; document: Pith }
  | { shape: 'key-order'; document: KeyOrder }
  | { shape: 'signatures'; document: Signatures }
  | { shape: 'numbers'; document: Numbers }
  | { shape: 'embedded'; document: Embedded }
  | { shape: 'collection'; document: Collection }
  | { shape: 'keys'; document: KeyFile }
  /** It has the beginnings of a vector: that it cannot be run is a failure, lest an emptied file passes. */
  | { shape: 'broken'; problem: string }
  | { shape: 'other'; reason: string };

/** Which of the shapes a JSON value has. */
export function recognise(document: unknown): Recognised {
  if (checks.signingInput.accepts(document)) return { shape: 'signing-input', document };
  if (checks.pith.accepts(document)) return { shape: 'pith', document };
  if (checks.keyOrder.accepts(document)) return { shape: 'key-order', document };
  if (checks.signatures.accepts(document)) return { shape: 'signatures', document };
  if (checks.numbers.accepts(document)) return { shape: 'numbers', document };
  if (checks.embedded.accepts(document)) return { shape: 'embedded', document };
  const kind = kindOf(document);
  if (kind === null && checks.collection.accepts(document)) return { shape: 'collection', document };
  if (checks.keys.accepts(document)) return { shape: 'keys', document };
  if (kind !== null && !KNOWN_KINDS.has(kind))
    return { shape: 'other', reason: `not a vector of this format: kind ${JSON.stringify(kind)}` };
  if (kind !== null) return { shape: 'broken', problem: `not the shape of kind ${kind}` };
  if (hasMember(document, 'vectors'))
    return { shape: 'broken', problem: checks.collection.explain(document) };
  if (hasMember(document, 'capsule_bytes_b64'))
    return { shape: 'broken', problem: checks.embedded.explain(document) };
  return { shape: 'other', reason: 'not a vector' };
}

const KNOWN_KINDS: ReadonlySet<string> = new Set([
  'signing-input',
  'pith',
  'jcs-key-order',
  'ed25519-verify',
]);
const withKind = checkOf(Type.Object({ meta: Type.Object({ kind: Text }) }));

const kindOf = (document: unknown): string | null => (withKind.accepts(document) ? document.meta.kind : null);

const hasMember = (document: unknown, name: string): boolean =>
  typeof document === 'object' && document !== null && Object.hasOwn(document, name);
