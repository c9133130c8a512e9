import { describe, expect, it } from 'vitest';
import { createCapsule, hashCapsule, signCapsule, signerOf } from '../../../src/capsule/capsule.ts';
import { verifyCapsule } from '../../../src/capsule/check-capsule.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { NOW, rootCapsule, unsignedRoot } from '../../support/documents.ts';
import { alice, bob, mallory } from '../../support/keys.ts';

describe('createCapsule', () => {
  it('fills every field with its default', () => {
    const options = { originIdentity: alice.identity, requestedCapability: 'text.stats', payload: {} };
    expect(createCapsule(options, { now: () => NOW })).toEqual({
      version: 1,
      timestamp: NOW,
      ...options,
      paymentRule: null,
      privacyRule: 'public',
      executionPolicy: null,
      next: null,
      chainDepth: null,
      parentCapsule: null,
    });
  });
});

describe('hashCapsule', () => {
  it('covers every field but id and signature', () => {
    const capsule = rootCapsule();
    expect(hashCapsule(nodeCrypto, capsule)).toBe(capsule.id);
    expect(hashCapsule(nodeCrypto, { ...capsule, id: 'x', signature: 'y' })).toBe(capsule.id);
    for (const field of Object.keys(unsignedRoot()))
      expect(hashCapsule(nodeCrypto, { ...capsule, [field]: 'changed' })).not.toBe(capsule.id);
  });
});

describe('signCapsule', () => {
  it('gives id and signature, and the same ones again', () => {
    const once = signCapsule(alice.signer, nodeCrypto, unsignedRoot());
    expect(signCapsule(alice.signer, nodeCrypto, unsignedRoot())).toEqual(once);
    expect(once.id).toMatch(/^[0-9a-f]{64}$/);
    expect(once.signature).toMatch(/^[0-9a-f]{128}$/);
    expect(signerOf(once)).toBe(alice.identity);
  });

  it('refuses to sign for another origin', () => {
    expect(() => signCapsule(mallory.signer, nodeCrypto, unsignedRoot())).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });
});

describe('verifyCapsule', () => {
  it('says valid and nothing else', () => {
    expect(verifyCapsule(nodeCrypto, rootCapsule())).toEqual({ valid: true });
  });

  it('says why not, with a code', () => {
    const capsule = { ...rootCapsule(), originIdentity: bob.identity };
    expect(verifyCapsule(nodeCrypto, capsule)).toEqual({
      valid: false,
      code: 'invalid_signature',
      reason: 'The capsule\'s "id" is not the hash of its content.',
    });
  });
});
