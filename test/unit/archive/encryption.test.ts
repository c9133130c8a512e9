import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DecryptionMetadata, KeyBundle } from '../../../protocols/archive/v1/schema.ts';
import type { ArchiveCrypto } from '../../../src/archive/crypto/crypto.ts';
import {
  associatedData,
  type ContentBinding,
  decryptContent,
  encryptContent,
  recipientOf,
} from '../../../src/archive/crypto/encryption.ts';
import { nodeArchiveCrypto } from '../../../src/archive/crypto/node-crypto.ts';
import { webArchiveCrypto } from '../../../src/archive/crypto/web-crypto.ts';
import { MeshError } from '../../../src/lib/errors.ts';
import { fromHex, toHex } from '../../../src/lib/hex.ts';

const crypto = nodeArchiveCrypto;
const inner = new TextEncoder().encode('the bytes of an inner archive');
const binding: ContentBinding = {
  capsuleId: 'a1'.repeat(32),
  firstEventHash: 'b2'.repeat(32),
  originatorPublicKey: 'c3'.repeat(32),
};
const [alice, bob, mallory] = [1, 2, 3].map((value) => new Uint8Array(32).fill(value)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];
const keyOf = (secret: Uint8Array): string => recipientOf(crypto, secret).publicKey;

const sealedFor = (...secrets: Uint8Array[]) =>
  encryptContent({ crypto }, { ...binding, recipients: secrets.map(keyOf) }, inner);

interface Opening extends Partial<ContentBinding> {
  blob: Uint8Array;
  metadata: DecryptionMetadata;
  secret: Uint8Array;
}
const open = ({ blob, ...rest }: Opening, using: ArchiveCrypto = crypto) =>
  decryptContent({ crypto: using }, { ...binding, ...rest }, blob);

function codeOf(run: () => unknown): string | null {
  try {
    run();
    return null;
  } catch (error) {
    return error instanceof MeshError ? error.code : String(error);
  }
}

function withBundle(metadata: DecryptionMetadata, change: Partial<KeyBundle>, index = 0): DecryptionMetadata {
  return {
    ...metadata,
    key_bundles: metadata.key_bundles.map((bundle, at) => (at === index ? { ...bundle, ...change } : bundle)),
  };
}

function flipHex(hex: string, position: number): string {
  return toHex(flipBit(fromHex(hex), position));
}

function flipBit(bytes: Uint8Array, position: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  const index = (position >> 3) % changed.length;
  changed[index] = (changed[index] ?? 0) ^ (1 << (position & 7));
  return changed;
}

describe('encryption for recipients', () => {
  it('lets every recipient in, and nobody else', () => {
    const sealed = sealedFor(alice, bob);
    expect(open({ ...sealed, secret: alice })).toEqual(inner);
    expect(open({ ...sealed, secret: bob })).toEqual(inner);
    expect(codeOf(() => open({ ...sealed, secret: mallory }))).toBe('not_a_recipient');
  });

  it('keeps the order of the recipients, with a key pair and a nonce of its own for each', () => {
    const { metadata, blob } = sealedFor(bob, alice, mallory);
    const bundles = metadata.key_bundles;
    expect(bundles.map((bundle) => bundle.recipient_public_key)).toEqual([bob, alice, mallory].map(keyOf));
    for (const field of ['ephemeral_public_key', 'wrap_nonce', 'wrapped_key'] as const)
      expect(new Set(bundles.map((bundle) => bundle[field])).size).toBe(3);
    expect(metadata.cipher).toBe('ChaCha20-Poly1305');
    expect(blob).toHaveLength(inner.length + 16);
  });

  it('never gives the same bytes twice, nor uses a key or a nonce again', () => {
    const [first, again] = [sealedFor(alice, bob), sealedFor(alice, bob)];
    expect(first.blob).not.toEqual(again.blob);
    const drawn = [first, again].flatMap(({ metadata: { content_nonce, key_bundles } }) => [
      content_nonce,
      ...key_bundles.flatMap((bundle) => [
        bundle.ephemeral_public_key,
        bundle.wrap_nonce,
        bundle.wrapped_key,
      ]),
    ]);
    expect(new Set(drawn).size).toBe(2 * (1 + 2 * 3));
  });

  it('takes the Ed25519 seed that a recipient derives the secret from', () => {
    const sealed = sealedFor(crypto.agreementSecret(alice));
    expect(open({ ...sealed, secret: alice })).toEqual(inner);
  });

  it('encrypts nothing at all as well', () => {
    const sealed = encryptContent({ crypto }, { ...binding, recipients: [keyOf(alice)] }, new Uint8Array());
    expect(open({ ...sealed, secret: alice })).toHaveLength(0);
  });

  it('is read in a browser when written in Node.js, and the other way round', () => {
    const recipients = [keyOf(bob), keyOf(alice)];
    for (const [writer, reader] of [
      [nodeArchiveCrypto, webArchiveCrypto],
      [webArchiveCrypto, nodeArchiveCrypto],
    ] as const) {
      const sealed = encryptContent({ crypto: writer }, { ...binding, recipients }, inner);
      expect(open({ ...sealed, secret: alice }, reader)).toEqual(inner);
    }
  });

  it('wraps and binds as the format says, done here step by step', () => {
    const { blob, metadata } = sealedFor(alice);
    const [bundle] = metadata.key_bundles;
    if (bundle === undefined) throw new Error('There is no bundle.');
    const shared = crypto.agree(alice, fromHex(bundle.ephemeral_public_key)) ?? new Uint8Array();
    const info = new TextEncoder().encode('capsule-key-wrap-v0.6');
    const key = crypto.decrypt(
      {
        key: crypto.hkdf(shared, fromHex(bundle.recipient_public_key), info),
        nonce: fromHex(bundle.wrap_nonce),
        aad: new Uint8Array(),
      },
      fromHex(bundle.wrapped_key),
    );
    const nonce = fromHex(metadata.content_nonce);
    const aad = associatedData(binding);
    expect(crypto.decrypt({ key: key ?? new Uint8Array(), nonce, aad }, blob)).toEqual(inner);
    expect(new TextDecoder().decode(aad)).toBe(
      `{"capsule_id":"${binding.capsuleId}","cipher":"ChaCha20-Poly1305","first_event_hash":"${binding.firstEventHash}",` +
        `"originator_public_key":"${binding.originatorPublicKey}","version":"0.6"}`,
    );
  });
});

describe('recipients that are refused', () => {
  const key = keyOf(alice);
  const cases: [string, string[]][] = [
    ['none', []],
    ['one named twice', [key, keyOf(bob), key]],
    ['a short key', [key.slice(2)]],
    ['a long key', [`${key}00`]],
    ['uppercase hex', [key.toUpperCase()]],
    ['no hex', ['not hex at all']],
    ['zero', ['00'.repeat(32)]],
    ['a point of small order', [`01${'00'.repeat(31)}`]],
    ['a key with its top bit set', [flipHex(key, 255)]],
  ];
  it.each(cases)('%s', (_, recipients) => {
    expect(codeOf(() => encryptContent({ crypto }, { ...binding, recipients }, inner))).toBe(
      'invalid_request',
    );
  });

  it.each([0, 31, 33, 64])('a secret of %i bytes', (length) => {
    const secret = new Uint8Array(length).fill(1);
    expect(codeOf(() => recipientOf(crypto, secret))).toBe('invalid_request');
    expect(codeOf(() => open({ ...sealedFor(alice), secret }))).toBe('invalid_request');
  });

  it('more than 1024', () => {
    // Clones of one agreement: the number is what is tried here, not the curve.
    const quick: ArchiveCrypto = { ...crypto, agree: () => alice, agreementPublicKey: () => bob };
    const seal = (count: number) => {
      const recipients = Array.from({ length: count }, (_, index) =>
        (index + 4096).toString(16).padEnd(64, '0'),
      );
      return encryptContent({ crypto: quick }, { ...binding, recipients }, inner);
    };
    expect(seal(1024).metadata.key_bundles).toHaveLength(1024);
    expect(() => seal(1025)).toThrow('An archive is encrypted for 1 to 1024 recipients.');
  });
});

describe('encrypted content that was changed', () => {
  const sealed = sealedFor(bob, alice);
  const bundle = sealed.metadata.key_bundles[1];
  if (bundle === undefined) throw new Error('There is no second bundle.');

  const changes: Record<string, (position: number) => Opening> = {
    blob: (at) => ({ ...sealed, blob: flipBit(sealed.blob, at), secret: alice }),
    'content nonce': (at) => ({
      ...sealed,
      metadata: { ...sealed.metadata, content_nonce: flipHex(sealed.metadata.content_nonce, at) },
      secret: alice,
    }),
    'wrapped key': (at) => ofBundle({ wrapped_key: flipHex(bundle.wrapped_key, at) }),
    'wrap nonce': (at) => ofBundle({ wrap_nonce: flipHex(bundle.wrap_nonce, at) }),
    // X25519 ignores the top bit of a public key, so that bit changes nothing.
    'ephemeral key': (at) =>
      ofBundle({ ephemeral_public_key: flipHex(bundle.ephemeral_public_key, at % 255) }),
    'capsule id': (at) => ({ ...sealed, secret: alice, capsuleId: flipHex(binding.capsuleId, at) }),
    'first event hash': (at) => ({
      ...sealed,
      secret: alice,
      firstEventHash: flipHex(binding.firstEventHash, at),
    }),
    'originator key': (at) => ({
      ...sealed,
      secret: alice,
      originatorPublicKey: flipHex(binding.originatorPublicKey, at),
    }),
  };
  function ofBundle(change: Partial<KeyBundle>): Opening {
    return { ...sealed, metadata: withBundle(sealed.metadata, change, 1), secret: alice };
  }

  it.each(Object.entries(changes))('is unverified after any flipped bit of its %s', (_, change) => {
    fc.assert(
      fc.property(fc.nat(), (position) => {
        expect(codeOf(() => open(change(position)))).toBe('unverified_archive');
      }),
      { numRuns: 40 },
    );
  });

  it('is for somebody else after a flipped bit of the recipient', () => {
    const recipient = flipHex(bundle.recipient_public_key, 3);
    expect(codeOf(() => open(ofBundle({ recipient_public_key: recipient })))).toBe('not_a_recipient');
  });

  it('is unverified when the bundle of another recipient bears this name', () => {
    const [other] = sealed.metadata.key_bundles;
    const metadata = withBundle(sealed.metadata, { ...other, recipient_public_key: keyOf(mallory) });
    expect(codeOf(() => open({ ...sealed, metadata, secret: mallory }))).toBe('unverified_archive');
  });

  it('is unverified with an ephemeral key of small order', () => {
    expect(codeOf(() => open(ofBundle({ ephemeral_public_key: '00'.repeat(32) })))).toBe(
      'unverified_archive',
    );
  });

  it.each([0, 15, 16, inner.length])('is unverified when cut to %i bytes', (length) => {
    expect(codeOf(() => open({ ...sealed, blob: sealed.blob.subarray(0, length), secret: alice }))).toBe(
      'unverified_archive',
    );
  });

  it('still opens where one of two bundles for the same recipient is good', () => {
    const bad = { ...bundle, wrapped_key: flipHex(bundle.wrapped_key, 5) };
    for (const key_bundles of [
      [bad, bundle],
      [bundle, bad],
    ])
      expect(open({ ...sealed, metadata: { ...sealed.metadata, key_bundles }, secret: alice })).toEqual(
        inner,
      );
  });

  it.each([
    ['cipher none', { ...sealed.metadata, cipher: 'none' }],
    ['another cipher', { ...sealed.metadata, cipher: 'AES-256-GCM' }],
    ['the cipher in lower case', { ...sealed.metadata, cipher: 'chacha20-poly1305' }],
    ['a short content nonce', { ...sealed.metadata, content_nonce: '00' }],
    ['an uppercase content nonce', { ...sealed.metadata, content_nonce: 'AB'.repeat(12) }],
    ['a long wrap nonce', withBundle(sealed.metadata, { wrap_nonce: '00'.repeat(24) }, 1)],
    ['a short wrapped key', withBundle(sealed.metadata, { wrapped_key: '00'.repeat(32) }, 1)],
    ['a short ephemeral key', withBundle(sealed.metadata, { ephemeral_public_key: '00'.repeat(31) }, 1)],
  ])('is invalid with %s', (_, metadata) => {
    expect(codeOf(() => open({ ...sealed, metadata, secret: alice }))).toBe('invalid_archive');
  });
});
