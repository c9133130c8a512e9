import { describe, expect, it } from 'vitest';
import { nodeArchiveCrypto as crypto } from '../../../src/archive/crypto-node.ts';
import { sealToBytes } from '../../../src/archive/seal.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { alice } from '../../support/keys.ts';

describe('sealArchive', () => {
  it('verifies', async () => {
    const { bytes } = await sealToBytes(
      { crypto },
      { program: '# P\n', participants: [{ actor_id: 'human:alice' }] },
      {
        signers: [{ role: 'originator', publicKey: alice.identity, sign: (m) => alice.signer.sign(m) }],
        sealedAt: '2026-05-07T12:00:00Z',
      },
    );
    expect(await verifyArchive({ crypto }, bytes, { strict: true })).toMatchObject({
      ok: true,
      findings: [],
    });
  });
});
