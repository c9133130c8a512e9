import type { Crypto } from '../../lib/crypto.ts';

/** X25519: secrets, public keys, and what is agreed on. */
export const AGREEMENT_KEY_BYTES = 32;
/** ChaCha20-Poly1305 (RFC 8439, 2.8). */
export const AEAD_KEY_BYTES = 32;
export const AEAD_NONCE_BYTES = 12;
export const AEAD_TAG_BYTES = 16;

/** Feeds of any length, hashed as they come. */
export interface Hasher {
  update(chunk: Uint8Array): void;
  /** 64 lowercase hex characters. Call once. */
  digestHex(): string;
}

export interface AeadParameters {
  /** 32 bytes */
  key: Uint8Array;
  /** 12 bytes */
  nonce: Uint8Array;
  aad: Uint8Array;
}

/**
 * The primitives of the archive format behind one interface (archive-v0.6 "Primitives", "Encryption"): native in
 * Node.js, WebCrypto and noble in browsers. What may be worth a trip to another thread may give a promise.
 */
export interface ArchiveCrypto extends Omit<Crypto, 'verify'> {
  /** Ed25519; decides as `Crypto.verify` does, and never throws or rejects. */
  verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean | Promise<boolean>;
  /** SHA-256 of something large, as 64 hex characters. */
  digestHex(data: Uint8Array): string | Promise<string>;
  hasher(): Hasher;
  /** CRC-32 as in ZIP, unsigned; `previous` continues one. */
  crc32(data: Uint8Array, previous?: number): number;
  /** X25519 public key of a 32-byte secret. */
  agreementPublicKey(secret: Uint8Array): Uint8Array;
  /** X25519; null where the other key is of small order, so that the shared secret would be zero. */
  agree(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | null;
  /** X25519 secret that belongs to an Ed25519 seed: the scalar half of its SHA-512 (RFC 8032, 5.1.5). */
  agreementSecret(seed: Uint8Array): Uint8Array;
  /** HKDF-SHA256, 32 bytes out. */
  hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array): Uint8Array;
  /** ChaCha20-Poly1305 (RFC 8439): ciphertext and then the 16-byte tag. */
  encrypt(parameters: AeadParameters, plaintext: Uint8Array): Uint8Array;
  /** Null where the tag does not fit. */
  decrypt(parameters: AeadParameters, ciphertext: Uint8Array): Uint8Array | null;
}

/** Throws RangeError: lengths are the caller's to get right, and no answer about a tag. */
export function checkAead({ key, nonce }: AeadParameters): void {
  if (key.length !== AEAD_KEY_BYTES)
    throw new RangeError(`A ChaCha20-Poly1305 key has ${AEAD_KEY_BYTES} bytes.`);
  if (nonce.length !== AEAD_NONCE_BYTES)
    throw new RangeError(`A ChaCha20-Poly1305 nonce has ${AEAD_NONCE_BYTES} bytes.`);
}
