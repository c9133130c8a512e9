import { describe, expect, it } from 'vitest';
import { assignmentHash, signAssignment, verifyAssignment } from '../../../src/capsule/assignment.ts';
import { receiptHash, signReceipt, verifyReceipt } from '../../../src/capsule/receipt.ts';
import { signSettlement, verifySettlement } from '../../../src/capsule/settlement.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { leaseOf, receiptOf, rootCapsule } from '../../support/documents.ts';
import { alice, bob, mallory } from '../../support/keys.ts';

const capsule = rootCapsule();
const receipt = receiptOf(capsule, { n: 1 });
const settlement = signSettlement(alice.signer, nodeCrypto, {
  receiptHash: receipt.receiptHash,
  amount: 2,
  payer: alice.identity,
  payee: bob.identity,
});
const assignment = leaseOf(capsule);
const signatureRequired = true;

const kinds = [
  ['receipt', receipt, (value: unknown) => verifyReceipt(nodeCrypto, value)],
  ['settlement', settlement, (value: unknown) => verifySettlement(nodeCrypto, value)],
  ['assignment', assignment, (value: unknown) => verifyAssignment(nodeCrypto, value, { signatureRequired })],
] as const;

describe.each(kinds)('a %s', (name, document, verify) => {
  it('verifies as it was signed, in any order of names', () => {
    const reordered = Object.fromEntries(Object.entries(document).reverse());
    expect(verify(document)).toEqual({ ok: true, [name]: document });
    expect(verify(reordered)).toMatchObject({ ok: true });
  });

  it('is refused with any field changed or left out', () => {
    for (const [field, value] of Object.entries(document)) {
      const changed = typeof value === 'number' ? value + 1 : 'changed';
      expect(verify({ ...document, [field]: changed })).toMatchObject({ ok: false });
      const { [field]: _, ...without } = Object.fromEntries(Object.entries(document));
      expect(verify(without)).toMatchObject({ ok: false });
    }
  });

  it.each([undefined, null, 7, 'text', [], {}, { ...document, at: new Date(0) }])(
    'is not %s, and that is said without throwing',
    (value) => {
      expect(verify(value)).toMatchObject({ ok: false });
    },
  );
});

describe('signing for another', () => {
  const refusal = expect.objectContaining({ code: 'invalid_request' });

  it('is refused for receipts, settlements and assignments', () => {
    expect(() => signReceipt(mallory.signer, nodeCrypto, receipt)).toThrow(refusal);
    expect(() => signSettlement(mallory.signer, nodeCrypto, settlement)).toThrow(refusal);
    expect(() => signAssignment(mallory.signer, nodeCrypto, assignment)).toThrow(refusal);
  });
});

describe('signing a receipt', () => {
  it('is refused where it charges for a failure, or in fractions of a micro-credit', () => {
    const refusal = expect.objectContaining({ code: 'invalid_request' });
    expect(() => signReceipt(bob.signer, nodeCrypto, { ...receipt, status: 'failed', charge: 1 })).toThrow(
      refusal,
    );
    expect(() => signReceipt(bob.signer, nodeCrypto, { ...receipt, charge: 1e-7 })).toThrow(refusal);
    expect(verifyReceipt(nodeCrypto, signReceipt(bob.signer, nodeCrypto, { ...receipt, charge: 1 })).ok).toBe(
      true,
    );
  });
});

describe('an assignment without a signature', () => {
  const { signature: _, ...unsigned } = assignment;

  it('is accepted where none is required, and has the same hash', () => {
    expect(verifyAssignment(nodeCrypto, unsigned, { signatureRequired: false })).toEqual({
      ok: true,
      assignment: unsigned,
    });
    expect(assignmentHash(nodeCrypto, unsigned)).toBe(assignmentHash(nodeCrypto, assignment));
  });

  it('is refused where one is; a wrong one is refused always', () => {
    const refused = { ok: false, error: { code: 'lease_invalid' } };
    const forged = { ...assignment, signature: '00'.repeat(64) };
    expect(verifyAssignment(nodeCrypto, unsigned, { signatureRequired })).toMatchObject(refused);
    expect(verifyAssignment(nodeCrypto, forged, { signatureRequired: false })).toMatchObject(refused);
  });
});

describe('receiptHash', () => {
  it('covers neither itself nor the signature', () => {
    const { receiptHash: hash, signature: _, ...body } = receipt;
    expect(receiptHash(nodeCrypto, body)).toBe(hash);
    expect(receiptHash(nodeCrypto, receipt)).toBe(hash);
  });
});

describe('signing again', () => {
  it('gives the same document, whatever hash and signature it had', () => {
    const stale = { ...receipt, receiptHash: '00'.repeat(32), signature: '00'.repeat(64) };
    expect(signReceipt(bob.signer, nodeCrypto, stale)).toEqual(receipt);
    expect(signSettlement(alice.signer, nodeCrypto, { ...settlement })).toEqual(settlement);
  });
});
