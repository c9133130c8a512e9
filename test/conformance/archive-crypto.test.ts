import { Point } from '@noble/ed25519';
import { sha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ArchiveCrypto } from '../../src/archive/crypto/crypto.ts';
import { nodeArchiveCrypto } from '../../src/archive/crypto/node-crypto.ts';
import { createWebArchiveCrypto } from '../../src/archive/crypto/web-crypto.ts';
import { fromHex, toHex } from '../../src/lib/hex.ts';
import { GROUP_ORDER, RFC_8032 } from '../support/ed25519.ts';

const MIB = 1_048_576;
const utf8 = (text: string) => new TextEncoder().encode(text);
const pattern = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 131) ^ (index >> 8));

/** RFC 7748, 5.2 and 6.1: secret, public key of the other, shared secret. */
const RFC_7748 = [
  [
    'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4',
    'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c',
    'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
  ],
  [
    '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d',
    'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493',
    '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
  ],
  [
    '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a',
    'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
    '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
  ],
] as const;
/** Of the third: its own public key. */
const RFC_7748_PUBLIC_KEY = '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a';

/** RFC 8439, 2.8.2. */
const RFC_8439 = {
  key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',
  nonce: '070000004041424344454647',
  aad: '50515253c0c1c2c3c4c5c6c7',
  plaintext:
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  ciphertext:
    'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691',
};

/** u coordinates of small order as X25519 reads them: 0, 1, p - 1, p, p + 1, and the two of order 8. */
const SMALL_ORDER_AGREEMENT_KEYS = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
];

/** Ed25519 keys that never verify anything: of small order, or not in canonical form. */
const WEAK_SIGNING_KEYS = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
];

const WEAK_SIGNATURE = `01${'00'.repeat(63)}`;

const engine = globalThis.crypto.subtle;
type Engine = typeof engine;

/** Node's own engine, but for some methods. */
function engineWith(methods: Partial<Engine>): Engine {
  return {
    ...methods,
    importKey: methods.importKey ?? engine.importKey.bind(engine),
    verify: methods.verify ?? engine.verify.bind(engine),
    digest: methods.digest ?? engine.digest.bind(engine),
  } as Engine;
}
const broken = (): Promise<never> => Promise.reject(new Error('NotSupportedError'));

/** As browsers do, which hold to RFC 8032 alone: with R the identity and S zero, a key of small order verifies. */
const takesWeakKeys = engineWith({
  verify: (algorithm, key, signature, message) =>
    toHex(new Uint8Array(signature as ArrayBuffer)) === WEAK_SIGNATURE
      ? Promise.resolve(true)
      : engine.verify(algorithm, key, signature, message),
});

const adapters: [string, () => ArchiveCrypto][] = [
  ['node', () => nodeArchiveCrypto],
  ['web', createWebArchiveCrypto],
  ['web without WebCrypto', () => createWebArchiveCrypto({ subtle: null })],
  [
    'web whose engine does nothing',
    () => createWebArchiveCrypto({ subtle: engineWith({ importKey: broken, digest: broken }) }),
  ],
  ['web whose engine takes weak keys', () => createWebArchiveCrypto({ subtle: takesWeakKeys })],
  [
    'web whose engine takes every signature',
    () => createWebArchiveCrypto({ subtle: engineWith({ verify: () => Promise.resolve(true) }) }),
  ],
];

describe.each(adapters)('archive crypto of %s', (_, create) => {
  const crypto = create();

  it.each(RFC_8032)(
    'signs and verifies as RFC 8032 does with seed %s',
    async (seed, key, message, signature) => {
      expect(toHex(crypto.publicKey(fromHex(seed)))).toBe(key);
      expect(toHex(crypto.sign(fromHex(message), fromHex(seed)))).toBe(signature);
      expect(await crypto.verify(fromHex(message), fromHex(signature), fromHex(key))).toBe(true);
      expect(await crypto.verify(utf8('other'), fromHex(signature), fromHex(key))).toBe(false);
    },
  );

  it('verifies many at once, with one key and with several', async () => {
    const seeds = [1, 2, 1, 3, 1].map((value) => new Uint8Array(32).fill(value));
    const message = utf8('message');
    const verdicts = seeds.map((seed) =>
      crypto.verify(message, crypto.sign(message, seed), crypto.publicKey(seed)),
    );
    expect(await Promise.all(verdicts)).toEqual([true, true, true, true, true]);
  });

  it.each(WEAK_SIGNING_KEYS)('verifies nothing under the weak key %s', async (key) => {
    for (let count = 0; count < 8; count++)
      expect(await crypto.verify(utf8(`message ${count}`), fromHex(WEAK_SIGNATURE), fromHex(key))).toBe(
        false,
      );
  });

  it('refuses malformed signatures and keys without throwing', async () => {
    const [seed, message] = [new Uint8Array(32).fill(7), utf8('message')];
    const [key, signature] = [crypto.publicKey(seed), crypto.sign(message, seed)];
    const noPoint = fromHex(`02${'00'.repeat(31)}`);
    const cases: [Uint8Array, Uint8Array][] = [
      [new Uint8Array(), key],
      [signature.subarray(1), key],
      [Uint8Array.from([...signature, 0]), key],
      [signature, new Uint8Array()],
      [signature, key.subarray(1)],
      [signature, Uint8Array.from([...key, 0])],
      [signature, noPoint],
      [new Uint8Array(64).fill(0xff), key],
    ];
    for (const [badSignature, badKey] of cases)
      expect(await crypto.verify(message, badSignature, badKey)).toBe(false);
  });

  it('refuses an S above the group order, and what fits only with the cofactor', async () => {
    const [secret, random] = [1234567890123456789n, 9876543210987654321n];
    const torsion = Point.fromBytes(fromHex(WEAK_SIGNING_KEYS[5] ?? ''));
    const key = Point.BASE.multiply(secret).toBytes();
    const message = utf8('message');
    const signed = (r: Uint8Array) => {
      const k = bigint(sha512(concat(r, key, message))) % GROUP_ORDER;
      return { r, s: (random + k * secret) % GROUP_ORDER };
    };
    const right = signed(Point.BASE.multiply(random).toBytes());
    const twisted = signed(Point.BASE.multiply(random).add(torsion).toBytes());
    expect(await crypto.verify(message, concat(right.r, littleEndian(right.s)), key)).toBe(true);
    expect(await crypto.verify(message, concat(right.r, littleEndian(right.s + GROUP_ORDER)), key)).toBe(
      false,
    );
    expect(await crypto.verify(message, concat(twisted.r, littleEndian(twisted.s)), key)).toBe(false);
  });

  it.each([
    [0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    [MIB, '30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58'],
  ])('digests %i zero bytes, at once and in parts', async (length, expected) => {
    const data = new Uint8Array(length);
    expect(await crypto.digestHex(data)).toBe(expected);
    const hasher = crypto.hasher();
    for (let start = 0; start < length; start += 70_001) hasher.update(data.subarray(start, start + 70_001));
    expect(hasher.digestHex()).toBe(expected);
  });

  it.each([1, 63, 64, 1023, 1024, 1025, 70_000])('digests %i bytes as sha256 does', async (length) => {
    // A view into a larger buffer: only what it shows is hashed.
    const data = pattern(length + 20).subarray(7, length + 7);
    expect(await crypto.digestHex(data)).toBe(crypto.sha256Hex(data));
  });

  it('counts CRC-32 as ZIP does, unsigned', () => {
    expect(crypto.crc32(utf8('123456789')).toString(16)).toBe('cbf43926');
    expect(crypto.crc32(new Uint8Array())).toBe(0);
    expect(crypto.crc32(new Uint8Array(MIB)).toString(16)).toBe('a738ea1c');
  });

  it('continues a CRC-32 wherever it was cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (data, cut) => {
        const first = crypto.crc32(data.subarray(0, cut));
        expect(crypto.crc32(data.subarray(cut), first)).toBe(crypto.crc32(data));
      }),
    );
  });

  it.each(RFC_7748)('agrees as RFC 7748 does with secret %s', (secret, other, shared) => {
    expect(toHex(crypto.agree(fromHex(secret), fromHex(other)) ?? new Uint8Array())).toBe(shared);
  });

  it('derives an X25519 public key', () => {
    const [secret] = RFC_7748[2];
    expect(toHex(crypto.agreementPublicKey(fromHex(secret)))).toBe(RFC_7748_PUBLIC_KEY);
    expect(() => crypto.agreementPublicKey(new Uint8Array(31))).toThrow(RangeError);
  });

  it.each(SMALL_ORDER_AGREEMENT_KEYS)('agrees on nothing with the small-order key %s', (key) => {
    expect(crypto.agree(new Uint8Array(32).fill(9), fromHex(key))).toBeNull();
  });

  it.each([0, 31, 33])('agrees on nothing with keys of %i bytes', (length) => {
    expect(crypto.agree(new Uint8Array(32).fill(9), new Uint8Array(length).fill(9))).toBeNull();
    expect(crypto.agree(new Uint8Array(length).fill(9), fromHex(RFC_7748_PUBLIC_KEY))).toBeNull();
  });

  it('turns an Ed25519 seed into the X25519 secret of the same point', () => {
    const seed = new Uint8Array(32).fill(5);
    // The birational map of RFC 7748, 4.1: u = (1 + y) / (1 - y).
    const p = 2n ** 255n - 19n;
    const y = bigint(crypto.publicKey(seed)) & (2n ** 255n - 1n);
    const u = ((1n + y) * power(1n - y + p, p - 2n, p)) % p;
    expect(toHex(crypto.agreementPublicKey(crypto.agreementSecret(seed)))).toBe(toHex(littleEndian(u)));
  });

  it('derives 32 bytes as RFC 5869 A.1 does', () => {
    const okm = crypto.hkdf(
      new Uint8Array(22).fill(0x0b),
      fromHex('000102030405060708090a0b0c'),
      fromHex('f0f1f2f3f4f5f6f7f8f9'),
    );
    expect(toHex(okm)).toBe('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf');
  });

  it('encrypts and decrypts as RFC 8439 does', () => {
    const [key, nonce, aad] = [RFC_8439.key, RFC_8439.nonce, RFC_8439.aad].map(fromHex);
    if (key === undefined || nonce === undefined || aad === undefined) throw new Error('A vector is cut.');
    const ciphertext = crypto.encrypt({ key, nonce, aad }, utf8(RFC_8439.plaintext));
    expect(toHex(ciphertext)).toBe(RFC_8439.ciphertext);
    expect(crypto.decrypt({ key, nonce, aad }, ciphertext)).toEqual(utf8(RFC_8439.plaintext));
  });

  it('decrypts nothing that is shorter than a tag, and refuses wrong lengths', () => {
    const parameters = { key: new Uint8Array(32), nonce: new Uint8Array(12), aad: new Uint8Array() };
    for (const length of [0, 1, 15, 16])
      expect(crypto.decrypt(parameters, new Uint8Array(length))).toBeNull();
    for (const wrong of [{ key: new Uint8Array(16) }, { nonce: new Uint8Array(24) }]) {
      expect(() => crypto.encrypt({ ...parameters, ...wrong }, new Uint8Array(20))).toThrow(RangeError);
      expect(() => crypto.decrypt({ ...parameters, ...wrong }, new Uint8Array(20))).toThrow(RangeError);
    }
  });

  it('gives random bytes, as many as asked for', () => {
    expect(crypto.randomBytes(70_000)).toHaveLength(70_000);
    expect(crypto.randomBytes(32)).not.toEqual(crypto.randomBytes(32));
  });
});

describe('archive crypto of node and of web together', () => {
  const [node, web] = [nodeArchiveCrypto, createWebArchiveCrypto()];
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

  it('encrypt alike, so that each decrypts what the other made', () => {
    const data = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(bytes(32), bytes(12), data, data, (key, nonce, aad, plaintext) => {
        const parameters = { key, nonce, aad };
        const ciphertext = node.encrypt(parameters, plaintext);
        expect(web.encrypt(parameters, plaintext)).toEqual(ciphertext);
        expect(web.decrypt(parameters, ciphertext)).toEqual(plaintext);
        expect(node.decrypt(parameters, ciphertext)).toEqual(plaintext);
      }),
    );
  });

  it('encrypt alike what takes several pieces', () => {
    const parameters = { key: pattern(32), nonce: pattern(12), aad: pattern(100) };
    const plaintext = pattern(2 * MIB + 77);
    const ciphertext = node.encrypt(parameters, plaintext);
    expect(node.sha256Hex(web.encrypt(parameters, plaintext))).toBe(node.sha256Hex(ciphertext));
    expect(node.sha256Hex(node.decrypt(parameters, ciphertext) ?? '')).toBe(node.sha256Hex(plaintext));
    ciphertext[MIB] = (ciphertext[MIB] ?? 0) ^ 1;
    expect(node.decrypt(parameters, ciphertext)).toBeNull();
  });

  it('agree, derive, sign and count alike', () => {
    fc.assert(
      fc.property(bytes(32), bytes(32), fc.uint8Array({ maxLength: 100 }), (secret, other, data) => {
        expect(web.agreementPublicKey(secret)).toEqual(node.agreementPublicKey(secret));
        expect(web.agree(secret, other)).toEqual(node.agree(secret, other));
        expect(web.agreementSecret(secret)).toEqual(node.agreementSecret(secret));
        expect(web.hkdf(secret, other, data)).toEqual(node.hkdf(secret, other, data));
        expect(web.sign(data, secret)).toEqual(node.sign(data, secret));
        expect(web.crc32(data)).toBe(node.crc32(data));
      }),
      { numRuns: 20 },
    );
  });

  it('detect any flipped bit of key, nonce, associated data or ciphertext', () => {
    fc.assert(
      fc.property(
        fc.record({ key: bytes(32), nonce: bytes(12), aad: bytes(40), plaintext: bytes(50) }),
        fc.constantFrom('key', 'nonce', 'aad', 'ciphertext'),
        fc.nat(),
        ({ plaintext, ...parameters }, part, position) => {
          const ciphertext = node.encrypt(parameters, plaintext);
          const changed = { ...parameters, ciphertext };
          changed[part] = flipBit(changed[part], position);
          expect(node.decrypt(changed, changed.ciphertext)).toBeNull();
          expect(web.decrypt(changed, changed.ciphertext)).toBeNull();
        },
      ),
    );
  });
});

describe('archive crypto of web', () => {
  it('asks the engine once what it can do, and imports a key once', async () => {
    let [imports, verifications] = [0, 0];
    const crypto = createWebArchiveCrypto({
      subtle: engineWith({
        importKey: ((...parameters: Parameters<Engine['importKey']>) => {
          imports++;
          return engine.importKey(...parameters);
        }) as Engine['importKey'],
        verify: (...parameters) => {
          verifications++;
          return engine.verify(...parameters);
        },
      }),
    });
    expect([imports, verifications]).toEqual([0, 0]);
    const [seed, message] = [new Uint8Array(32).fill(1), utf8('message')];
    const [signature, key] = [crypto.sign(message, seed), crypto.publicKey(seed)];
    for (let count = 0; count < 3; count++) expect(await crypto.verify(message, signature, key)).toBe(true);
    // Four of the verifications and one of the imports are the question.
    expect([imports, verifications]).toEqual([2, 7]);
  });

  it('leaves only what is large to the engine', async () => {
    let digests = 0;
    const crypto = createWebArchiveCrypto({
      subtle: engineWith({
        digest: (...parameters) => {
          digests++;
          return engine.digest(...parameters);
        },
      }),
    });
    expect(crypto.digestHex(new Uint8Array(100))).toBe(crypto.sha256Hex(new Uint8Array(100)));
    expect(digests).toBe(0);
    await crypto.digestHex(new Uint8Array(100_000));
    expect(digests).toBe(1);
  });

  it('works on shared memory, which engines refuse', async () => {
    const crypto = createWebArchiveCrypto();
    const shared = new Uint8Array(new SharedArrayBuffer(10_000));
    const seed = new Uint8Array(32).fill(1);
    expect(await crypto.digestHex(shared)).toBe(crypto.sha256Hex(new Uint8Array(10_000)));
    expect(await crypto.verify(shared, crypto.sign(shared, seed), crypto.publicKey(seed))).toBe(true);
  });
});

function flipBit(data: Uint8Array, position: number): Uint8Array<ArrayBuffer> {
  const changed = Uint8Array.from(data);
  const index = (position >> 3) % changed.length;
  changed[index] = (changed[index] ?? 0) ^ (1 << (position & 7));
  return changed;
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Of little-endian bytes. */
function bigint(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes.toReversed())}`);
}

function littleEndian(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, '0')).reverse();
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  if (exponent === 0n) return 1n;
  const half = power((base * base) % modulus, exponent / 2n, modulus);
  return exponent % 2n === 1n ? (half * base) % modulus : half;
}
