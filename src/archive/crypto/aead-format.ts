import type { AeadParameters } from './crypto.ts';

/** ChaCha20-Poly1305 (RFC 8439, 2.8). */
export const AEAD_KEY_BYTES = 32;
export const AEAD_NONCE_BYTES = 12;
export const AEAD_TAG_BYTES = 16;

/** Throws RangeError: lengths are the caller's to get right, and no answer about a tag. */
export function checkAead({ key, nonce }: AeadParameters): void {
  if (key.length !== AEAD_KEY_BYTES)
    throw new RangeError(`A ChaCha20-Poly1305 key has ${AEAD_KEY_BYTES} bytes.`);
  if (nonce.length !== AEAD_NONCE_BYTES)
    throw new RangeError(`A ChaCha20-Poly1305 nonce has ${AEAD_NONCE_BYTES} bytes.`);
}
