import type { Envelope } from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { fails, type Vector, type VectorCollection } from './collection.ts';
import { capsuleId, PATHS } from './format.ts';
import { alice, bob, mallory, signer } from './keys.ts';
import { edit, encrypted, plain, type Recipe, zip } from './recipe.ts';

const make = async (recipe: Recipe) => zip(await plain(recipe));
const OTHER_HASH = 'ab'.repeat(32);
/** Order of the Ed25519 group. */
const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

const both = [signer(alice), signer(bob, 'reviewer')];
const failing = (...signers: [role: string, valid: boolean, trusted: boolean][]) =>
  fails(['envelope'], { signers: signers.map(([role, valid, trusted]) => ({ role, valid, trusted })) });

export function envelope(): VectorCollection {
  return {
    name: 'envelope',
    description:
      'Signatures, and what an envelope says of itself, its manifest and the identity of the archive.',
    vectors: [...signatures(), ...originators(), ...ciphers(), ...bindings()],
  };
}

function signatures(): Vector[] {
  const changed = (
    change: (signers: Envelope['signers']) => Envelope['signers'],
    signers = [signer(alice)],
  ) =>
    make({
      signers,
      signed: (stored) => {
        stored.signers = change(stored.signers);
      },
    });
  return [
    {
      name: 'signature-changed',
      description: 'One bit of a signature was changed.',
      archive: changed(([first, ...rest]) =>
        first ? [{ ...first, signature: flipped(first.signature) }, ...rest] : [],
      ),
      expected: failing(['originator', false, false]),
    },
    {
      name: 'one-of-two-signatures-changed',
      description: 'The second signature is wrong, and the first still valid and trusted.',
      archive: changed(
        ([first, last]) => (first && last ? [first, { ...last, signature: flipped(last.signature) }] : []),
        both,
      ),
      expected: failing(['originator', true, true], ['reviewer', false, false]),
    },
    {
      name: 'roles-swapped',
      description: 'Two signers under the role of the other: a role is part of what is signed.',
      archive: changed(
        ([first, last]) =>
          first && last
            ? [
                { ...first, role: last.role },
                { ...last, role: first.role },
              ]
            : [],
        both,
      ),
      expected: failing(['reviewer', false, false], ['originator', false, false]),
    },
    {
      name: 'signatures-swapped',
      description: 'Two signers with the signature of the other.',
      archive: changed(
        ([first, last]) =>
          first && last
            ? [
                { ...first, signature: last.signature },
                { ...last, signature: first.signature },
              ]
            : [],
        both,
      ),
      expected: failing(['originator', false, false], ['reviewer', false, false]),
    },
    {
      name: 'signed-by-another-key',
      description: "Mallory's signature under Alice's key.",
      archive: make({ signers: [{ ...signer(mallory), publicKey: alice.publicKey }] }),
      expected: failing(['originator', false, false]),
    },
    {
      name: 'signer-twice',
      description: 'One signer in two rows, both of them valid: not two who signed.',
      archive: changed((signers) => [...signers, ...signers]),
      expected: failing(['originator', true, true], ['originator', true, true]),
    },
    {
      name: 'small-order-key',
      description:
        'A key of small order, under which a signature without a secret would hold for any message.',
      archive: changed((signers) => [
        ...signers,
        { role: 'witness', public_key: `01${'00'.repeat(31)}`, signature: `01${'00'.repeat(63)}` },
      ]),
      expected: failing(['originator', true, true], ['witness', false, false]),
    },
    {
      name: 'malleable-signature',
      description: 'The group order added to S: the same equation, other bytes.',
      archive: changed(([first]) => (first ? [{ ...first, signature: unreduced(first.signature) }] : [])),
      expected: failing(['originator', false, false]),
    },
    {
      name: 'uppercase-signer-key',
      description:
        "A signer's key in uppercase hex: the same key, and outside of what is signed, yet not valid.",
      archive: changed(([first]) =>
        first ? [{ ...first, public_key: first.public_key.toUpperCase() }] : [],
      ),
      expected: failing(['originator', false, false]),
    },
    {
      name: 'uppercase-signature',
      description: 'A signature in uppercase hex.',
      archive: changed(([first]) => (first ? [{ ...first, signature: first.signature.toUpperCase() }] : [])),
      expected: failing(['originator', false, false]),
    },
    {
      name: 'envelope-changed',
      description: 'signed_at was changed after signing.',
      archive: make({
        signed: (stored) => {
          stored.signed_at = '2026-05-22T12:00:00Z';
        },
      }),
      expected: failing(['originator', false, false]),
    },
    {
      name: 'unknown-envelope-member-added',
      description: 'A member that nobody knows was added after signing.',
      archive: make({
        after: (files) => edit(files, PATHS.envelope, (text) => text.replace('{', '{"x-acme":1,')),
      }),
      expected: failing(['originator', false, false]),
    },
  ];
}

function originators(): Vector[] {
  return [
    {
      name: 'originator-did-not-sign',
      description: "Bob signs as originator of Alice's archive: a valid signature by the wrong key.",
      archive: make({ signers: [signer(bob)] }),
      expected: failing(['originator', true, false]),
    },
    {
      name: 'originator-in-another-role',
      description: 'Alice signs, but as reviewer.',
      archive: make({ signers: [signer(alice, 'reviewer')] }),
      expected: failing(['reviewer', true, true]),
    },
    {
      name: 'originator-role-of-another',
      description: 'Alice signs as reviewer and Bob as originator.',
      archive: make({ signers: [signer(bob), signer(alice, 'reviewer')] }),
      expected: failing(['originator', true, false], ['reviewer', true, true]),
    },
  ];
}

/** Cipher, blob hash and the manifest's word on encryption go together or not at all. */
function ciphers(): Vector[] {
  const outer = (name: string, change: (envelope: JsonObject) => void) =>
    encrypted(name, { envelope: change }).then((files) => zip(files));
  return [
    {
      name: 'plain-with-blob-hash',
      description: 'cipher none, and a hash of a blob.',
      archive: make({
        envelope: (stored) => {
          stored.encrypted_blob_hash = OTHER_HASH;
        },
      }),
      expected: fails(['envelope']),
    },
    {
      name: 'encrypted-without-blob-hash',
      description: 'A cipher, and no hash of the blob: which is then bound by nothing.',
      archive: outer('encrypted-without-blob-hash', (stored) => {
        stored.encrypted_blob_hash = null;
      }),
      expected: fails(['envelope', 'encrypted_blob']),
    },
    {
      name: 'plain-that-names-a-cipher',
      description: 'manifest.encryption is set in a plain archive.',
      archive: make({
        manifest: (manifest) => {
          manifest.encryption = { cipher: 'ChaCha20-Poly1305', metadata_path: PATHS.decryption };
        },
      }),
      expected: fails(['envelope']),
    },
    {
      name: 'encrypted-that-names-no-cipher',
      description: 'manifest.encryption is null in an encrypted archive.',
      archive: encrypted('encrypted-that-names-no-cipher', {
        manifest: (manifest) => {
          manifest.encryption = null;
        },
      }).then((files) => zip(files)),
      expected: fails(['envelope']),
    },
  ];
}

function bindings(): Vector[] {
  return [
    {
      name: 'manifest-changed',
      description: 'A label of the manifest was changed after sealing.',
      archive: make({
        after: (files) => edit(files, PATHS.manifest, (text) => text.replace('"Reviewer"', '"Owner"')),
      }),
      expected: fails(['envelope']),
    },
    {
      name: 'manifest-hash-wrong',
      description: 'Signed over another manifest hash.',
      archive: make({
        envelope: (stored) => {
          stored.manifest_hash = OTHER_HASH;
        },
      }),
      expected: fails(['envelope']),
    },
    {
      name: 'id-not-derived',
      description: 'An id that does not follow from key and first event; manifest and envelope agree on it.',
      archive: make({
        manifest: (manifest) => {
          manifest.id = OTHER_HASH;
        },
      }),
      expected: fails(['identity']),
    },
    {
      name: 'id-of-another-originator',
      description: "The id that the archive would have under Mallory's key.",
      archive: make({
        manifest: (manifest) => {
          manifest.id = capsuleId(mallory.publicKey, String(manifest.first_event_hash));
        },
      }),
      expected: fails(['identity']),
    },
    {
      name: 'envelope-of-another-id',
      description: "The envelope's capsule_id is not the manifest's id.",
      archive: make({
        envelope: (stored) => {
          stored.capsule_id = OTHER_HASH;
        },
      }),
      expected: fails(['identity']),
    },
  ];
}

function flipped(hex: string): string {
  return (hex.startsWith('0') ? '1' : '0') + hex.slice(1);
}

/** The signature with S + L in place of S, little endian. */
function unreduced(signature: string): string {
  const s = Buffer.from(signature.slice(64), 'hex').reverse();
  const more = (BigInt(`0x${s.toString('hex')}`) + GROUP_ORDER).toString(16).padStart(64, '0');
  return signature.slice(0, 64) + Buffer.from(more, 'hex').reverse().toString('hex');
}
