import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import CRC32 from 'crc-32';
import { nobleCrypto } from '../../lib/crypto-noble.ts';
import { toHex } from '../../lib/hex.ts';
import { AEAD_TAG_BYTES, AGREEMENT_KEY_BYTES, type ArchiveCrypto, checkAead } from './crypto.ts';
import { createWebVerify, type Subtle } from './web-verify.ts';

/** From here on WebCrypto wins, nine times faster in Chromium; below, a promise is not worth what it saves. */
const SUBTLE_DIGEST_BYTES = 1024;

/**
 * WebCrypto for what is large or slow, noble for the rest: for browsers, and for any other host of that kind. `subtle`
 * is the host's own where it is left out; null, as on pages that came without TLS, does everything in JavaScript.
 */
export function createWebArchiveCrypto(init: { subtle?: Subtle | null } = {}): ArchiveCrypto {
  // Typed as always there, yet only secure contexts have it.
  const subtle: Subtle | null = init.subtle === undefined ? (globalThis.crypto?.subtle ?? null) : init.subtle;

  async function subtleDigestHex(engine: Subtle, data: Uint8Array): Promise<string> {
    try {
      return toHex(new Uint8Array(await engine.digest('SHA-256', data)));
    } catch {
      return nobleCrypto.sha256Hex(data);
    }
  }

  return {
    ...nobleCrypto,
    verify: subtle === null ? nobleCrypto.verify : createWebVerify(subtle),
    digestHex: (data) =>
      subtle === null || data.length < SUBTLE_DIGEST_BYTES
        ? nobleCrypto.sha256Hex(data)
        : subtleDigestHex(subtle, data),
    hasher() {
      const state = sha256.create();
      return {
        update: (chunk) => void state.update(chunk),
        digestHex: () => toHex(state.digest()),
      };
    },
    crc32: (data, previous = 0) => CRC32.buf(data, previous) >>> 0,
    agreementPublicKey(secret) {
      if (secret.length !== AGREEMENT_KEY_BYTES) throw new RangeError('An X25519 secret has 32 bytes.');
      return x25519.getPublicKey(secret);
    },
    agree(secret, publicKey) {
      try {
        return x25519.getSharedSecret(secret, publicKey);
      } catch {
        return null;
      }
    },
    agreementSecret: (seed) => sha512(seed).slice(0, AGREEMENT_KEY_BYTES),
    hkdf: (ikm, salt, info) => hkdf(sha256, ikm, salt, info, 32),
    encrypt(parameters, plaintext) {
      checkAead(parameters);
      return chacha20poly1305(parameters.key, parameters.nonce, parameters.aad).encrypt(plaintext);
    },
    decrypt(parameters, ciphertext) {
      checkAead(parameters);
      if (ciphertext.length < AEAD_TAG_BYTES) return null;
      const output = new Uint8Array(ciphertext.length - AEAD_TAG_BYTES);
      try {
        const cipher = chacha20poly1305(parameters.key, parameters.nonce, parameters.aad);
        return cipher.decrypt(ciphertext, output);
      } catch {
        return null;
      }
    },
  };
}

export const webArchiveCrypto: ArchiveCrypto = createWebArchiveCrypto();
