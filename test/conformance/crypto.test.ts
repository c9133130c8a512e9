import { Point } from '@noble/ed25519';
import { sha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Crypto, createSigner } from '../../src/lib/crypto.ts';
import { nobleCrypto } from '../../src/lib/crypto-noble.ts';
import { createNodeCrypto, nodeCrypto } from '../../src/lib/crypto-node.ts';
import { fromHex, toHex } from '../../src/lib/hex.ts';

const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

/** RFC 8032, 7.1: seed, public key, message, signature. */
const RFC_8032 = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
  [
    '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
    'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
  ],
] as const;

/** Every encoding of a point of small order that decoders take: canonical or not, with either sign of x. */
const SMALL_ORDER_KEYS = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
];

const implementations: [string, () => Crypto][] = [
  ['node', createNodeCrypto],
  ['noble', () => nobleCrypto],
];

const utf8 = (text: string) => new TextEncoder().encode(text);

describe.each(implementations)('crypto of %s', (_, create) => {
  const crypto = create();

  it.each(RFC_8032)('agrees with RFC 8032 on seed %s', (seed, key, message, signature) => {
    expect(toHex(crypto.publicKey(fromHex(seed)))).toBe(key);
    expect(toHex(crypto.sign(fromHex(message), fromHex(seed)))).toBe(signature);
    expect(crypto.verify(fromHex(message), fromHex(signature), fromHex(key))).toBe(true);
    expect(crypto.verify(utf8('other'), fromHex(signature), fromHex(key))).toBe(false);
  });

  it('hashes bytes, and text as UTF-8', () => {
    const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    expect(crypto.sha256Hex('abc')).toBe(expected);
    expect(toHex(crypto.sha256(utf8('abc')))).toBe(expected);
    expect(crypto.sha256Hex('€')).toBe(crypto.sha256Hex(fromHex('e282ac')));
  });

  it('hashes a view of a larger buffer as the view alone', () => {
    const view = utf8('xabcx').subarray(1, 4);
    expect(crypto.sha256Hex(view)).toBe(crypto.sha256Hex('abc'));
  });

  it.each([0, 1, 31, 33, 64])('refuses a key of %i bytes without throwing', (length) => {
    expect(crypto.verify(utf8('m'), new Uint8Array(64), new Uint8Array(length))).toBe(false);
  });

  it.each([0, 63, 65, 128])('refuses a signature of %i bytes without throwing', (length) => {
    const key = crypto.publicKey(new Uint8Array(32).fill(7));
    expect(crypto.verify(utf8('m'), new Uint8Array(length), key)).toBe(false);
  });

  it('refuses bytes that are no point of the curve, again and again', () => {
    const noPoint = fromHex(`02${'00'.repeat(31)}`);
    expect(crypto.verify(utf8('m'), new Uint8Array(64), noPoint)).toBe(false);
    expect(crypto.verify(utf8('m'), new Uint8Array(64), noPoint)).toBe(false);
  });

  it('refuses S at and above the group order', () => {
    const seed = new Uint8Array(32).fill(7);
    const signature = crypto.sign(utf8('m'), seed);
    const raised = signature.slice();
    raised.set(scalarBytes(scalarOf(signature.subarray(32)) + GROUP_ORDER), 32);
    expect(crypto.verify(utf8('m'), signature, crypto.publicKey(seed))).toBe(true);
    expect(crypto.verify(utf8('m'), raised, crypto.publicKey(seed))).toBe(false);
  });

  it.each(SMALL_ORDER_KEYS)('refuses the key of small order %s', (key) => {
    // R = the key, or the neutral element, and S = 0 satisfy the bare equation for many messages.
    const neutral = `01${'00'.repeat(31)}`;
    for (const r of [key, neutral])
      for (let message = 0; message < 8; message++)
        expect(crypto.verify(utf8(String(message)), fromHex(r + '00'.repeat(32)), fromHex(key))).toBe(false);
  });

  it('gives random bytes of any length, more than one system call gives included', () => {
    expect(crypto.randomBytes(0)).toHaveLength(0);
    expect(crypto.randomBytes(200_000)).toHaveLength(200_000);
    expect(toHex(crypto.randomBytes(32))).not.toBe(toHex(crypto.randomBytes(32)));
  });

  it('refuses to sign with a seed of another length', () => {
    expect(() => crypto.sign(utf8('m'), new Uint8Array(31))).toThrow();
  });

  it('makes signers that keep their own copy of the seed', () => {
    const seed = new Uint8Array(32).fill(9);
    const signer = createSigner(crypto, seed);
    seed.fill(0);
    expect(crypto.verify(utf8('m'), signer.sign(utf8('m')), fromHex(signer.identity))).toBe(true);
  });
});

describe('both implementations', () => {
  it('sign alike and accept each other’s signatures', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(
        bytes(32),
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(63),
        fc.nat(7),
        (seed, message, at, bit) => {
          const key = nodeCrypto.publicKey(seed);
          const signature = nodeCrypto.sign(message, seed);
          expect(nobleCrypto.publicKey(seed)).toEqual(key);
          expect(nobleCrypto.sign(message, seed)).toEqual(signature);
          expect(nobleCrypto.verify(message, signature, key)).toBe(true);
          const flipped = signature.slice();
          flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
          expect(nodeCrypto.verify(message, flipped, key)).toBe(false);
          expect(nobleCrypto.verify(message, flipped, key)).toBe(false);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('decide alike about keys and R with a part of small order, where the cofactor would make a difference', () => {
    const torsion = Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a');
    const verdicts = new Set<string>();
    for (let round = 0; round < 24; round++) {
      const message = utf8(`message ${round}`);
      const secret = BigInt(round) * 7919n + 3n;
      const nonce = BigInt(round) * 104729n + 5n;
      for (const inKey of [false, true])
        for (const inR of [false, true]) {
          const key = Point.BASE.multiply(secret)
            .add(inKey ? torsion : Point.ZERO)
            .toBytes();
          const r = Point.BASE.multiply(nonce)
            .add(inR ? torsion : Point.ZERO)
            .toBytes();
          const challenge = scalarOf(sha512(Uint8Array.of(...r, ...key, ...message))) % GROUP_ORDER;
          const s = (nonce + challenge * secret) % GROUP_ORDER;
          const signature = Uint8Array.of(...r, ...scalarBytes(s));
          const verdict = nodeCrypto.verify(message, signature, key);
          expect(nobleCrypto.verify(message, signature, key)).toBe(verdict);
          verdicts.add(`${inKey} ${inR} ${verdict}`);
        }
    }
    // Honest ones pass, torsion in R alone never does, and torsion in the key passes by chance of the message.
    expect(verdicts).toContain('false false true');
    expect(verdicts).not.toContain('false false false');
    expect(verdicts).not.toContain('false true true');
    expect(verdicts).toContain('true false false');
    expect(verdicts).toContain('true false true');
  });
});

function scalarOf(littleEndian: Uint8Array): bigint {
  return BigInt(`0x${toHex(littleEndian.toReversed())}`);
}

function scalarBytes(scalar: bigint): Uint8Array {
  return fromHex(scalar.toString(16).padStart(64, '0')).toReversed();
}
