import { recipientOf } from '../../src/archive/crypto/encryption.ts';
import { nodeArchiveCrypto as crypto } from '../../src/archive/crypto/node-crypto.ts';
import type { ArchiveDraft, ArchiveSigner, SealOptions } from '../../src/archive/types.ts';
import { alice, type TestKey } from './keys.ts';

export const SEALED_AT = '2026-05-07T12:00:00Z';

export function signerOf(key: TestKey, role = 'originator'): ArchiveSigner {
  return { role, publicKey: key.identity, sign: (message) => key.signer.sign(message) };
}

/** X25519 key that belongs to a test key's seed. */
export const recipientKeyOf = (key: Pick<TestKey, 'seed'>): string =>
  recipientOf(crypto, crypto.agreementSecret(key.seed)).publicKey;

export const sealing = (options: Partial<SealOptions> = {}): SealOptions => ({
  signers: [signerOf(alice)],
  sealedAt: SEALED_AT,
  ...options,
});

/** A small draft with one of everything. */
export const draftOf = (changes: Partial<ArchiveDraft> = {}): ArchiveDraft => ({
  program: '# Program\n\n## Plan\n\nRead, decide, hand over.\n',
  agents: '# Agents\n',
  skills: [
    { id: 'review', tier: 'signed', metadata: { name: 'Review' }, instructions: '# Review\n' },
    { id: 'notes.v2', tier: 'unsigned', metadata: { name: 'Notes' } },
  ],
  payload: [
    { path: 'payload/report.txt', content: new TextEncoder().encode('a report') },
    { path: 'data/values.bin', content: Uint8Array.of(0, 1, 2, 255) },
  ],
  participants: [
    { actor_id: 'human:alice', role: 'originator', label: 'Alice' },
    { actor_id: 'ai:helper', role: 'assistant' },
  ],
  originatorLabel: 'Alice',
  events: [
    {
      actor: 'human:alice',
      kind: 'decision',
      action: 'approved',
      target: 'program.md',
      payload: { summary: 'Approved.', amount: 12.5 },
    },
    {
      actor: 'ai:helper',
      kind: 'observation',
      action: 'read',
      target: 'payload/report.txt',
      timestamp: '2026-05-07T11:59:59Z',
    },
  ],
  ...changes,
});
