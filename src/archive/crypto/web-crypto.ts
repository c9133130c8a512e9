import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import CRC32 from 'crc-32';
import { LRUCache } from 'lru-cache';
import { isWeakPublicKey } from '../../lib/crypto.ts';
import { nobleCrypto } from '../../lib/crypto-noble.ts';
import { fromHex, toHex } from '../../lib/hex.ts';
import { AEAD_TAG_BYTES, AGREEMENT_KEY_BYTES, type ArchiveCrypto, checkAead } from './crypto.ts';

type Subtle = typeof globalThis.crypto.subtle;
type SubtleKey = Awaited<ReturnType<Subtle['importKey']>>;

/** Signers of one archive are few; above those of a page that lists many archives. */
const CACHED_KEYS = 256;
const ALGORITHM = 'Ed25519';
const SIGNATURE_BYTES = 64;
/*
 * Engines differ in the corners of Ed25519. Of these signatures of the empty message under one key, only the first may
 * be taken: the second fits only the equation that multiplies by the cofactor, the third has an R that is not in
 * canonical form, the fourth an S above the group order.
 */
const PROBE_KEY = '7767a3242dc9b58bbc68488c1265cc6cc5f26c6f3c88a5d55e901b0734dca572';
const PROBE_SIGNATURES = [
  '6b12d4d055bd943206034b402ebe601bf715a3bbe772cdac6ab65b94d9a07bf621aeec06ffa45cf4cd896cff2e3e768e75168b5bbef35417c618cc622893be07',
  '37da69e09442b7d55cc3b5795bfab9763f2d49979cf569920d433aac74ed56b9563beb457207cc39e342a8b550639598e77b59db702d7235b95ccc9aa93c0c0a',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f606f00a13c1e6e3c165e2468f25b69adda2a4926588f3fbd51da1327f50bdf0f',
  '6b12d4d055bd943206034b402ebe601bf715a3bbe772cdac6ab65b94d9a07bf60e82e26319086f4ca42664a20d3855a375168b5bbef35417c618cc622893be17',
];

/** From here on WebCrypto wins, nine times faster in Chromium; below, a promise is not worth what it saves. */
const SUBTLE_DIGEST_BYTES = 1024;

/**
 * WebCrypto for what is large or slow, noble for the rest: for browsers, and for any other host of that kind. `subtle`
 * is the host's own where it is left out; null, as on pages that came without TLS, does everything in JavaScript.
 */
export function createWebArchiveCrypto(init: { subtle?: Subtle | null } = {}): ArchiveCrypto {
  // Typed as always there, yet only secure contexts have it.
  const subtle: Subtle | null = init.subtle === undefined ? (globalThis.crypto?.subtle ?? null) : init.subtle;

  const subtleDigestHex = (engine: Subtle, data: Uint8Array): Promise<string> =>
    engine.digest('SHA-256', data).then(
      (digest) => toHex(new Uint8Array(digest)),
      () => nobleCrypto.sha256Hex(data),
    );

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

/** True for an engine that has Ed25519 and decides as `Crypto.verify` must. */
async function decidesAlike(subtle: Subtle): Promise<boolean> {
  try {
    const key = await subtle.importKey('raw', fromHex(PROBE_KEY), ALGORITHM, false, ['verify']);
    const accepted = await Promise.all(
      PROBE_SIGNATURES.map((hex) => subtle.verify(ALGORITHM, key, fromHex(hex), new Uint8Array())),
    );
    return accepted.every((taken, index) => taken === (index === 0));
  } catch {
    return false;
  }
}

/**
 * Ed25519 by WebCrypto, by noble where it lacks that or decides otherwise; asked once, at the first signature. Never
 * rejects.
 */
function createWebVerify(subtle: Subtle): ArchiveCrypto['verify'] {
  const keys = new LRUCache<string, Promise<SubtleKey>>({ max: CACHED_KEYS });
  let usable: Promise<boolean> | undefined;

  function imported(publicKey: Uint8Array): Promise<SubtleKey> {
    const name = toHex(publicKey);
    let key = keys.get(name);
    if (key === undefined) {
      key = subtle.importKey('raw', Uint8Array.from(publicKey), ALGORITHM, false, ['verify']);
      keys.set(name, key);
    }
    return key;
  }

  return async (message, signature, publicKey) => {
    if (signature.length !== SIGNATURE_BYTES || isWeakPublicKey(publicKey)) return false;
    usable ??= decidesAlike(subtle);
    if (!(await usable)) return nobleCrypto.verify(message, signature, publicKey);
    try {
      return await subtle.verify(ALGORITHM, await imported(publicKey), signature, message);
    } catch {
      // Some engines refuse to import what is no point of the curve, and memory that is shared.
      return nobleCrypto.verify(message, signature, publicKey);
    }
  };
}
