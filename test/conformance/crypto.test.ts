import { Point } from '@noble/ed25519';
import { sha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Crypto, createSigner } from '../../src/lib/crypto.ts';
import { nobleCrypto } from '../../src/lib/crypto-noble.ts';
import { createNodeCrypto, nodeCrypto } from '../../src/lib/crypto-node.ts';
import { fromHex, toHex } from '../../src/lib/hex.ts';
import { GROUP_ORDER, RFC_8032 } from '../support/ed25519.ts';

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
