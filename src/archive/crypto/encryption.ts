import {
  ARCHIVE_VERSION,
  CIPHER,
  DecryptionMetadata,
  type KeyBundle,
  MAX_RECIPIENTS,
  type Manifest,
} from '../../../protocols/archive/v1/schema.ts';
import { checkOf } from '../../lib/check.ts';
import { MeshError } from '../../lib/errors.ts';
import { fromHex, isHex, toHex } from '../../lib/hex.ts';
import { canonicalBytes } from '../canonical.ts';
import type { ArchiveComponents } from '../types.ts';
import { AEAD_KEY_BYTES, AEAD_NONCE_BYTES, AGREEMENT_KEY_BYTES, type ArchiveCrypto } from './crypto.ts';

const metadataCheck = checkOf(DecryptionMetadata);
const WRAP_INFO = new TextEncoder().encode('capsule-key-wrap-v0.6');
/** Wrapping binds nothing but the recipient, who is in the salt. */
const NO_AAD = new Uint8Array();

/** The capsule that a content key belongs to; all three as 64 hex characters. */
export interface ContentBinding {
  capsuleId: string;
  firstEventHash: string;
  originatorPublicKey: string;
}

export const bindingOf = ({ id, first_event_hash, originator }: Manifest): ContentBinding => ({
  capsuleId: id,
  firstEventHash: first_event_hash,
  originatorPublicKey: originator.public_key,
});

/** The AAD of the content: moving a blob into another capsule breaks its tag (archive-v0.6 "Encryption"). */
export function associatedData(binding: ContentBinding): Uint8Array {
  return canonicalBytes({
    version: ARCHIVE_VERSION,
    capsule_id: binding.capsuleId,
    first_event_hash: binding.firstEventHash,
    originator_public_key: binding.originatorPublicKey,
    cipher: CIPHER,
  });
}

/** What the owner of a 32-byte X25519 secret gives to those who encrypt for them. */
export function recipientOf(crypto: ArchiveCrypto, secret: Uint8Array): { publicKey: string } {
  checkSecret(secret);
  return { publicKey: toHex(crypto.agreementPublicKey(secret)) };
}

/**
 * Encrypts the bytes of an inner archive for 1 to 1024 distinct recipients, whose key bundles keep their order
 * (archive-v0.6 "Encryption"). Throws `invalid_request` for a recipient key that cannot be used.
 */
export function encryptContent(
  { crypto }: ArchiveComponents,
  { recipients, ...binding }: ContentBinding & { recipients: readonly string[] },
  innerBytes: Uint8Array,
): { blob: Uint8Array; metadata: DecryptionMetadata } {
  if (recipients.length === 0 || recipients.length > MAX_RECIPIENTS)
    throw new MeshError('invalid_request', `An archive is encrypted for 1 to ${MAX_RECIPIENTS} recipients.`);
  if (new Set(recipients).size !== recipients.length)
    throw new MeshError('invalid_request', 'A recipient is named twice.');
  const key = crypto.randomBytes(AEAD_KEY_BYTES);
  const nonce = crypto.randomBytes(AEAD_NONCE_BYTES);
  // Before the content, which may be large: a key of small order is found here.
  const bundles = recipients.map((recipient) => wrapKey(crypto, recipient, key));
  return {
    blob: crypto.encrypt({ key, nonce, aad: associatedData(binding) }, innerBytes),
    metadata: { cipher: CIPHER, content_nonce: toHex(nonce), key_bundles: bundles },
  };
}

/**
 * The bytes of the inner archive: whole and in memory, since not a byte of it may be used before its tag was checked.
 * `secret` is a recipient's X25519 secret, or the Ed25519 seed that it is derived from.
 * Throws `not_a_recipient` when no bundle is for it, `unverified_archive` when one is and a tag does not fit,
 * `invalid_archive` for another cipher or malformed metadata, `invalid_request` for a secret that is not 32 bytes.
 */
export function decryptContent(
  { crypto }: ArchiveComponents,
  { metadata, secret, ...binding }: ContentBinding & { metadata: DecryptionMetadata; secret: Uint8Array },
  blob: Uint8Array,
): Uint8Array {
  checkSecret(secret);
  // Not every caller has read the metadata through its schema.
  if (metadata.cipher !== CIPHER || !metadataCheck.accepts(metadata))
    throw new MeshError(
      'invalid_archive',
      `The metadata of the encryption is malformed, or not of ${CIPHER}.`,
    );
  const key = unwrapKey(crypto, metadata.key_bundles, secret);
  const nonce = fromHex(metadata.content_nonce);
  const content = crypto.decrypt({ key, nonce, aad: associatedData(binding) }, blob);
  if (content === null)
    throw new MeshError('unverified_archive', 'The encrypted content does not match its tag.');
  return content;
}

function wrapKey(crypto: ArchiveCrypto, recipient: string, contentKey: Uint8Array): KeyBundle {
  const recipientKey = isHex(recipient, AGREEMENT_KEY_BYTES) ? fromHex(recipient) : null;
  const ephemeral = crypto.randomBytes(AGREEMENT_KEY_BYTES);
  // Nobody could decrypt with a key whose unused top bit is set: it is not as its owner derives it.
  const isUsable = recipientKey !== null && (recipientKey.at(-1) ?? 0) <= 0x7f;
  const shared = isUsable ? crypto.agree(ephemeral, recipientKey) : null;
  if (recipientKey === null || shared === null) {
    const message = 'A recipient key is not an X25519 public key of 64 lowercase hex digits.';
    throw new MeshError('invalid_request', message, { recipient: recipient.slice(0, 100) });
  }
  const key = crypto.hkdf(shared, recipientKey, WRAP_INFO);
  const nonce = crypto.randomBytes(AEAD_NONCE_BYTES);
  return {
    recipient_public_key: recipient,
    ephemeral_public_key: toHex(crypto.agreementPublicKey(ephemeral)),
    wrap_nonce: toHex(nonce),
    wrapped_key: toHex(crypto.encrypt({ key, nonce, aad: NO_AAD }, contentKey)),
  };
}

/** The content key, from the first bundle for this secret that opens. */
function unwrapKey(crypto: ArchiveCrypto, bundles: readonly KeyBundle[], secret: Uint8Array): Uint8Array {
  const candidates = new Map(
    [secret, crypto.agreementSecret(secret)].map((own) => [toHex(crypto.agreementPublicKey(own)), own]),
  );
  let addressed = false;
  for (const bundle of bundles) {
    const own = candidates.get(bundle.recipient_public_key);
    if (own === undefined) continue;
    addressed = true;
    const key = openBundle(crypto, bundle, own);
    if (key !== null) return key;
  }
  if (addressed)
    throw new MeshError('unverified_archive', 'The key bundle of this recipient does not match its tag.');
  throw new MeshError('not_a_recipient', 'The archive is not encrypted for this key.');
}

function openBundle(crypto: ArchiveCrypto, bundle: KeyBundle, secret: Uint8Array): Uint8Array | null {
  const shared = crypto.agree(secret, fromHex(bundle.ephemeral_public_key));
  if (shared === null) return null;
  const key = crypto.hkdf(shared, fromHex(bundle.recipient_public_key), WRAP_INFO);
  const nonce = fromHex(bundle.wrap_nonce);
  return crypto.decrypt({ key, nonce, aad: NO_AAD }, fromHex(bundle.wrapped_key));
}

function checkSecret(secret: Uint8Array): void {
  if (secret.length !== AGREEMENT_KEY_BYTES)
    throw new MeshError('invalid_request', `A recipient's secret has ${AGREEMENT_KEY_BYTES} bytes.`);
}
