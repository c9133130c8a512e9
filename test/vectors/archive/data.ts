import type { ArchiveEvent } from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { canonicalBytes, sha256 } from '../primitives.ts';
import { PATHS } from './format.ts';
import { alice, bob, signer } from './keys.ts';
import { envelopeOf, type Files, plain, zip } from './recipe.ts';

/*
 * Vectors that are one JSON document each. Texts and numbers here are written by hand, from RFC 8785 and the rules of
 * the format, and not taken from what any program gave.
 */

/** An archive with all its hashes, and the very bytes that they are made over. */
export async function embedded(): Promise<{ archive: JsonObject; inputs: JsonObject }> {
  const files = await plain({ signers: [signer(alice), signer(bob, 'reviewer')] });
  const manifest = document(files, PATHS.manifest);
  const { signers, ...payload } = envelopeOf(files);
  const events = eventsOf(files);
  const archive = {
    meta: {
      name: 'embedded',
      format_version: '0.6',
      description: 'A plain archive of two signers, every hash pinned.',
    },
    signed_at: payload.signed_at,
    originator_public_key_hex: alice.publicKey,
    expected: {
      capsule_id: payload.capsule_id,
      first_event_hash: payload.first_event_hash,
      entry_hash: payload.entry_hash,
      manifest_hash: payload.manifest_hash,
      content_index_hash: payload.content_index_hash,
      envelope_signature_hex: signers[0]?.signature ?? '',
      event_hashes: events.map(({ hash }) => hash),
    },
    capsule_bytes_b64: Buffer.from(zip(files)).toString('base64'),
  };
  const index = manifest.content_index;
  const listed =
    typeof index === 'object' && index !== null && 'files' in index ? (index.files ?? null) : null;
  const inputs = {
    meta: {
      kind: 'signing-input',
      name: 'signing-input',
      description: 'The bytes that ids, hashes and signatures of the embedded archive are made over.',
      capsule_ref: 'embedded.json',
    },
    capsule_id: {
      ...domain('capsule-id-v0.6\0'),
      originator_public_key_hex: alice.publicKey,
      first_event_hash_hex: payload.first_event_hash,
      capsule_id_hex: payload.capsule_id,
    },
    events: events.map(({ hash, ...hashed }) => ({
      seq: hashed.seq,
      prev_hash_hex: hashed.prev_hash,
      canonical_bytes_hex: canonicalHex(hashed),
      hash_hex: hash,
    })),
    manifest: { canonical_bytes_hex: canonicalHex(manifest), sha256_hex: payload.manifest_hash },
    content_index: {
      canonical_bytes_hex: canonicalHex(listed),
      sha256_hex: payload.content_index_hash,
    },
    envelope: {
      canonical_payload_hex: canonicalHex(payload),
      canonical_payload_sha256: sha256(canonicalBytes(payload)),
      signers: signers.map(({ role, public_key, signature }) => {
        const { domain_utf8, domain_hex } = domain(`capsule-provenance-v0.6:${role}\0`);
        const input = Buffer.concat([Buffer.from(domain_utf8), canonicalBytes(payload)]);
        return {
          role,
          domain_utf8,
          domain_hex,
          signing_input_sha256: sha256(input),
          public_key_hex: public_key,
          signature_hex: signature,
        };
      }),
    },
  };
  return { archive, inputs };
}

const domain = (text: string) => ({ domain_utf8: text, domain_hex: Buffer.from(text).toString('hex') });
const canonicalHex = (value: unknown): string => Buffer.from(canonicalBytes(value)).toString('hex');

function document(files: Files, path: string): JsonObject {
  return JSON.parse(new TextDecoder().decode(files.get(path)));
}

function eventsOf(files: Files): ArchiveEvent[] {
  const lines = new TextDecoder().decode(files.get(PATHS.chain)).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line));
}

/** Bits of a double and its text by ECMAScript's Number::toString, as RFC 8785 demands. */
export function numbers(): JsonObject {
  const rows: [ieee_hex: string, expected: string][] = [
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['3ff0000000000000', '1'],
    ['bff8000000000000', '-1.5'],
    ['4045000000000000', '42'],
    ['3fb999999999999a', '0.1'],
    ['3fd3333333333334', '0.30000000000000004'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['433fffffffffffff', '9007199254740991'],
    ['4340000000000000', '9007199254740992'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['3e7ad7f29abcaf48', '1e-7'],
  ];
  return {
    meta: { name: 'numbers', description: 'ieee_hex: a big-endian binary64. expected: its canonical text.' },
    vectors: rows.map(([ieee_hex, expected]) => ({ ieee_hex, expected })),
  };
}

/** Narrative text and what is written of it. */
export function pithTexts(): JsonObject {
  const word = 'abcdefghi ';
  const long = word.repeat(40).trimEnd();
  const vectors = [
    ['plain', 'One sentence.', 'One sentence.'],
    ['empty', '', ''],
    ['blank', ' \t \r\n ', ''],
    ['blanks-folded', '  two   blanks,\ta tab  ', 'two blanks, a tab'],
    ['lines-joined', 'first\r\nsecond\rthird\n\n\nfourth', 'first second third fourth'],
    ['three-sentences', 'One. Two! Three?', 'One. Two! Three?'],
    ['four-sentences', 'One. Two! Three? Four.', 'One. Two! Three?'],
    ['exactly-280', `${'x'.repeat(279)}.`, `${'x'.repeat(279)}.`],
    // A word of ten with its blank: 27 of them, less the last blank, and an ellipsis fit 280.
    ['cut-at-a-word', long, `${word.repeat(27).trimEnd()}…`],
    ['punctuation-before-the-cut', `${'y'.repeat(250)} -, ${'z'.repeat(60)}`, `${'y'.repeat(250)}…`],
    // The only word end is before 60 % of the limit, so the long word is cut.
    ['no-word-end-in-reach', `short ${'w'.repeat(400)}`, `short ${'w'.repeat(273)}…`],
    ['one-long-word', 'v'.repeat(281), `${'v'.repeat(279)}…`],
  ];
  return {
    meta: {
      kind: 'pith',
      name: 'pith',
      description: 'text, and expected: what a writer makes of it in a narrative field.',
    },
    vectors: vectors.map(([name = '', text = '', expected = '']) => ({ name, text, expected })),
  };
}
