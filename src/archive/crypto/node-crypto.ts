import {
  type Cipheriv,
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hash,
  hkdfSync,
} from 'node:crypto';
import { crc32 } from 'node:zlib';
import { nodeCrypto } from '../../lib/crypto-node.ts';
import { AEAD_TAG_BYTES, AGREEMENT_KEY_BYTES, type ArchiveCrypto, checkAead } from './crypto.ts';

const ALGORITHM = 'chacha20-poly1305';
/** DER of an X25519 PKCS #8 private key up to its 32 secret bytes (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');
/** Ciphers give every piece as a new buffer: pieces keep a large input from being held twice. */
const CIPHER_CHUNK_BYTES = 1_048_576;

function agreementKey(secret: Uint8Array) {
  if (secret.length !== AGREEMENT_KEY_BYTES) throw new RangeError('An X25519 secret has 32 bytes.');
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, secret]), format: 'der', type: 'pkcs8' });
}

function runCipher(cipher: Pick<Cipheriv, 'update'>, input: Uint8Array, output: Uint8Array): void {
  for (let start = 0; start < input.length; start += CIPHER_CHUNK_BYTES)
    output.set(cipher.update(input.subarray(start, start + CIPHER_CHUNK_BYTES)), start);
}

/** The native implementation, for Node.js. */
export const nodeArchiveCrypto: ArchiveCrypto = {
  ...nodeCrypto,
  digestHex: (data) => hash('sha256', data, 'hex'),
  hasher() {
    const state = createHash('sha256');
    return {
      update: (chunk) => void state.update(chunk),
      digestHex: () => state.digest('hex'),
    };
  },
  crc32: (data, previous = 0) => crc32(data, previous),
  agreementPublicKey(secret) {
    const { x } = createPublicKey(agreementKey(secret)).export({ format: 'jwk' });
    return new Uint8Array(Buffer.from(x ?? '', 'base64url'));
  },
  agree(secret, publicKey) {
    try {
      const privateKey = agreementKey(secret);
      const x = Buffer.from(publicKey).toString('base64url');
      const other = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
      return new Uint8Array(diffieHellman({ privateKey, publicKey: other }));
    } catch {
      return null;
    }
  },
  agreementSecret: (seed) => new Uint8Array(hash('sha512', seed, 'buffer')).slice(0, AGREEMENT_KEY_BYTES),
  hkdf: (ikm, salt, info) => new Uint8Array(hkdfSync('sha256', ikm, salt, info, 32)),
  encrypt(parameters, plaintext) {
    checkAead(parameters);
    const { key, nonce, aad } = parameters;
    const output = new Uint8Array(plaintext.length + AEAD_TAG_BYTES);
    const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: AEAD_TAG_BYTES });
    cipher.setAAD(aad, { plaintextLength: plaintext.length });
    runCipher(cipher, plaintext, output);
    cipher.final();
    output.set(cipher.getAuthTag(), plaintext.length);
    return output;
  },
  decrypt(parameters, ciphertext) {
    checkAead(parameters);
    const { key, nonce, aad } = parameters;
    const length = ciphertext.length - AEAD_TAG_BYTES;
    if (length < 0) return null;
    const output = new Uint8Array(length);
    const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: AEAD_TAG_BYTES });
    decipher.setAAD(aad, { plaintextLength: length });
    decipher.setAuthTag(ciphertext.subarray(length));
    runCipher(decipher, ciphertext.subarray(0, length), output);
    try {
      decipher.final();
    } catch {
      return null;
    }
    return output;
  },
};
