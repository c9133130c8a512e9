import {
  createCipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import canonicalize from 'canonicalize';

/*
 * What vectors are made with: the standards, by Node.js and the library of the author of RFC 8785. Nothing in the
 * generators takes anything from `src`, lest a vector says no more than that the code agrees with itself.
 */

/** DER of a private key (RFC 8410), but for its 32 bytes. */
const PRIVATE_KEY = {
  ed25519: '302e020100300506032b657004220420',
  x25519: '302e020100300506032b656e04220420',
};
const X25519_PUBLIC_KEY = '302a300506032b656e032100';
const KEY_BYTES = 32;

/** RFC 8785. */
export function canonicalText(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('The value is not JSON.');
  return text;
}

export const canonicalBytes = (value: unknown): Uint8Array => Buffer.from(canonicalText(value));

/** 64-hex, over the parts as one. */
export function sha256(...parts: (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

export const raw = (hex: string): Buffer => Buffer.from(hex, 'hex');

/** An Ed25519 seed's public key, 64-hex. */
export const signingKeyOf = (seed: Uint8Array): string => publicKeyOf('ed25519', seed);

/** An X25519 secret's public key, 64-hex. */
export const agreementKeyOf = (secret: Uint8Array): string => publicKeyOf('x25519', secret);

/** The X25519 secret that belongs to an Ed25519 seed (RFC 8032, 5.1.5). */
export const agreementSecretOf = (seed: Uint8Array): Uint8Array =>
  createHash('sha512').update(seed).digest().subarray(0, KEY_BYTES);

/** Ed25519, 128-hex. */
export const signatureOf = (seed: Uint8Array, message: Uint8Array): string =>
  sign(null, message, privateKey('ed25519', seed)).toString('hex');

/** X25519. */
export function sharedSecret(secret: Uint8Array, publicKey: string): Uint8Array {
  const key = createPublicKey({ key: raw(X25519_PUBLIC_KEY + publicKey), format: 'der', type: 'spki' });
  return diffieHellman({ privateKey: privateKey('x25519', secret), publicKey: key });
}

/** HKDF-SHA-256, 32 bytes. */
export const derivedKey = (secret: Uint8Array, salt: Uint8Array, info: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', secret, salt, info, KEY_BYTES));

/** ChaCha20-Poly1305; the tag is behind the ciphertext. */
export function encrypt(
  { key, nonce, aad }: { key: Uint8Array; nonce: Uint8Array; aad: Uint8Array },
  plaintext: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** The same "random" bytes for the same label, lest every run write other vectors. Never for anything real. */
export function fixedRandom(label: string): (length: number) => Uint8Array {
  let drawn = 0;
  return (length) => {
    drawn += 1;
    return createHash('shake256', { outputLength: length })
      .update(`${label}:${String(drawn)}`)
      .digest();
  };
}

function privateKey(type: keyof typeof PRIVATE_KEY, bytes: Uint8Array): KeyObject {
  return createPrivateKey({
    key: Buffer.concat([raw(PRIVATE_KEY[type]), bytes]),
    format: 'der',
    type: 'pkcs8',
  });
}

const publicKeyOf = (type: keyof typeof PRIVATE_KEY, bytes: Uint8Array): string =>
  createPublicKey(privateKey(type, bytes))
    .export({ format: 'der', type: 'spki' })
    .subarray(-KEY_BYTES)
    .toString('hex');
