import { describe, expect, it } from 'vitest';
import type { Capsule, Lineage, NextStep } from '../../../protocols/capsule/v1/schema.ts';
import { DOMAINS } from '../../../protocols/common/v1/limits.ts';
import type { Proof } from '../../../protocols/messages/v1/schema.ts';
import { hashCapsule } from '../../../src/capsule/capsule.ts';
import { checkCapsule, verifyCapsule } from '../../../src/capsule/check-capsule.ts';
import { signHash } from '../../../src/capsule/signing.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { childOf, leaseOf, NOW, type Parties, proofOf, rootCapsule } from '../../support/documents.ts';
import { alice, bob, carol, mallory, type TestKey } from '../../support/keys.ts';
import { nestedSteps } from '../../support/mutations.ts';

const result = { summary: 'A fox.' };
const store: NextStep = { requestedCapability: 'data.store', payloadTemplate: { value: '$result.markdown' } };
const report: NextStep = {
  requestedCapability: 'report.create',
  payloadTemplate: { body: '$result.summary' },
  next: [store],
};
const atExecutor = { continueAt: 'executor' } as const;
const root = rootCapsule({ executionPolicy: atExecutor, next: [report] });
const proof = proofOf(root, result);
const child = childOf(proof);
const second = proofOf(child, { markdown: '# A fox' }, { coordinator: bob, executor: carol });
const grandchild = childOf(second, carol);

/** Bob signs anew what he has changed: all that a liar with a real receipt can do. */
function resign(changed: Capsule): Capsule {
  const id = hashCapsule(nodeCrypto, changed);
  return { ...changed, id, signature: signHash(bob.signer, DOMAINS.capsule, id) };
}

function lineageOf({ lineage }: Capsule): Lineage {
  if (lineage === undefined) throw new TypeError('The capsule has no lineage.');
  return lineage;
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

const check = (capsule: Capsule, proofs?: Proof[]) =>
  checkCapsule(nodeCrypto, capsule, {
    now: capsule.timestamp,
    ...(proofs === undefined ? {} : { proofs }),
  });
const refusal = (reason: string) => ({
  ok: false,
  error: { code: 'lineage_invalid', message: expect.stringContaining(reason) },
});

describe('a child that the executor signed', () => {
  it('is accepted with the proofs back to what the origin signed', () => {
    expect(child.signer).toBe(bob.identity);
    expect(check(child, [proof])).toEqual({ ok: true, capsule: child });
    expect(check(grandchild, [proof, second])).toEqual({ ok: true, capsule: grandchild });
    expect(verifyCapsule(nodeCrypto, child, { proofs: [proof] })).toEqual({ valid: true });
  });

  it('is accepted whoever of the two that may coordinate its parent gave the lease', () => {
    const bySubmitter = proofOf(child, { markdown: '#' }, { coordinator: alice, executor: carol });
    expect(check(childOf(bySubmitter, carol), [proof, bySubmitter])).toMatchObject({ ok: true });
  });

  it('is accepted from a child on that the origin took over and signed', () => {
    const taken = childOf(proof, alice);
    expect(taken.id).toBe(child.id);
    const from = proofOf(taken, { markdown: '#' }, { executor: carol });
    expect(check(childOf(from, carol), [from])).toMatchObject({ ok: true });
  });

  it('needs no proofs where the origin signed, and looks at none', () => {
    expect(check(childOf(proof, alice))).toMatchObject({ ok: true });
    expect(check(root, [{ ...proof, lease: { ...proof.lease, epoch: 9 } }])).toMatchObject({ ok: true });
  });

  it('is refused without proofs', () => {
    expect(check(child)).toMatchObject(refusal('comes without proofs'));
    expect(check(child, [])).toMatchObject(refusal('comes without proofs'));
    expect(verifyCapsule(nodeCrypto, child)).toMatchObject({ valid: false, code: 'lineage_invalid' });
  });

  it('is refused with more proofs than a chain has links', () => {
    expect(check(child, new Array(6).fill(proof))).toMatchObject(refusal('more proofs'));
  });

  it.each<[string, Proof[]]>([
    ['begin at the last capsule that the origin signed', [second]],
    ['begin at the last capsule that the origin signed', [second, proof]],
    ['has no "lineage"', [proof, proof]],
    ['may not continue the parent', [proof]],
  ])('is refused with the wrong links: %s', (reason, proofs) => {
    expect(check(grandchild, proofs)).toMatchObject(refusal(reason));
  });

  it('is refused with the proof of another run of the same parent', () => {
    const again = proofOf(root, result, { lease: { epoch: 2 } });
    expect(check(childOf(again), [again])).toMatchObject({ ok: true });
    expect(check(child, [again])).toMatchObject(refusal('not what the parent'));
  });
});

describe('a chain is not continued by whoever', () => {
  const ran = (parties: Parties, capsule = root): Proof => proofOf(capsule, result, parties);
  const asked = { coordinator: alice, executor: bob };
  const hostile: [string, Proof, TestKey?][] = [
    ['has seen it and leases it to itself', ran({ coordinator: mallory, executor: mallory }), mallory],
    ['not be by a node that may coordinate', ran({ ...asked, coordinator: mallory })],
    [
      'executed it, but was not given it',
      ran({ executor: mallory, lease: { executor: bob.identity } }),
      mallory,
    ],
    ['signs with a lease of another', proof, mallory],
    ['has a lease without a signature', { ...proof, lease: unsignedLease() }],
    ['has a lease that is forged', { ...proof, lease: { ...proof.lease, signature: '00'.repeat(64) } }],
    ['has a lease of another capsule', ran({ lease: { capsuleId: 'ab'.repeat(32) } })],
    ['has a lease from before the capsule', ran({ lease: { grantedAt: NOW - 300_001 } })],
    ['has a lease beyond the capsule', ran({ lease: { expiresAt: NOW + 7 * 86_400_000 + 300_001 } })],
    ['has a lease that costs something', ran({ lease: { price: 1 }, receipt: { charge: 1 } })],
    ['shows another lease than its receipt names', { ...proof, lease: leaseOf(root, { epoch: 2 }) }],
    ['invents a result', { ...proof, result: { summary: 'A hen.' } }],
    ['forges a receipt', { ...proof, receipt: { ...proof.receipt, finishedAt: NOW + 21 } }],
    ['did something else', ran({ receipt: { capabilityId: 'text.other' } })],
    ['did it to another input', ran({ receipt: { inputHash: 'ab'.repeat(32) } })],
    ['did it under another epoch', ran({ receipt: { epoch: 2 } })],
    ['charges for it', ran({ receipt: { charge: 1 } })],
    ['began before the lease', ran({ receipt: { startedAt: NOW + 5 - 300_001 } })],
    ['ended after the lease', ran({ receipt: { finishedAt: NOW + 60_000 + 300_001 } })],
    ['ended before it began', ran({ receipt: { startedAt: NOW + 30 } })],
    [
      'failed at it',
      ran({ receipt: { status: 'failed', resultHash: null, error: { code: 'x', message: 'X.' } } }),
    ],
    ['was to leave it to the submitter', ran({}, rootCapsule({ next: [report] }))],
    [
      'had a restricted parent',
      ran({}, rootCapsule({ executionPolicy: atExecutor, privacyRule: 'restricted', next: [report] })),
    ],
    [
      'had a paid parent',
      ran(
        {},
        rootCapsule({
          executionPolicy: atExecutor,
          paymentRule: { type: 'credit', amount: 1 },
          next: [report],
        }),
      ),
    ],
    [
      'had a paid step further on',
      ran(
        {},
        rootCapsule({
          executionPolicy: atExecutor,
          next: [report, { ...store, paymentRule: { type: 'credit', amount: 1 } }],
        }),
      ),
    ],
    ['made up the parent', ran({}, { ...root, signature: child.signature })],
    ['changed the parent', { ...proof, parent: { ...root, privacyRule: 'restricted' } }],
    ['shows no lease at all', JSON.parse(JSON.stringify({ ...proof, lease: null }))],
  ];

  function unsignedLease() {
    const { signature: _, ...unsigned } = proof.lease;
    return unsigned;
  }

  it.each(hostile)('who %s', (_, shown, by = bob) => {
    const made = attempt(() => childOf(shown, by)) ?? childOf(proof, by);
    expect(check(made, [shown])).toMatchObject({ ok: false, error: { code: 'lineage_invalid' } });
    expect(check(childOf(proof, by), [shown])).toMatchObject({ ok: false });
  });

  it('nor may a node that was never leased a child give out its next step', () => {
    const stolen = proofOf(child, { markdown: '#' }, { coordinator: mallory, executor: mallory });
    expect(check(childOf(stolen, mallory), [proof, stolen])).toMatchObject(refusal('may coordinate'));
  });

  it('nor may an executor coordinate where the parent was left to the submitter', () => {
    const kept = rootCapsule({
      executionPolicy: { submitter: carol.identity },
      next: [{ ...report, executionPolicy: atExecutor }],
    });
    const first = proofOf(kept, result, { coordinator: carol });
    const bySubmitter = childOf(first, carol);
    const then = proofOf(bySubmitter, { markdown: '#' }, { coordinator: bob, executor: mallory });
    expect(check(childOf(then, mallory), [first, then])).toMatchObject(refusal('may coordinate'));
  });
});

describe('a child is what its step gives', () => {
  it.each<[string, Partial<Capsule>]>([
    ['payload', { payload: { body: 'A hen.' } }],
    ['capability', { requestedCapability: 'data.delete' }],
    ['rule', { paymentRule: { type: 'credit', amount: 1 } }],
    ['end', { executionPolicy: { ...atExecutor, expiresAt: NOW + 8 * 86_400_000 } }],
    ['submitter', { executionPolicy: { ...child.executionPolicy, submitter: mallory.identity } }],
    ['timestamp', { timestamp: child.timestamp + 1 }],
    ['depth', { chainDepth: 2 }],
    ['next steps', { next: null }],
    ['paths', { lineage: { ...lineageOf(child), paths: [] } }],
    ['step', { lineage: { ...lineageOf(child), step: 1 } }],
    ['receipt', { lineage: { ...lineageOf(child), receipt: 'ab'.repeat(32) } }],
  ])('not with another %s', (_, change) => {
    const other = resign({ ...child, ...change });
    expect(check(other, [proof])).toMatchObject({ ok: false, error: { code: 'lineage_invalid' } });
  });
});

describe("the submitter's children, where it is not the origin", () => {
  const named = rootCapsule({ executionPolicy: { submitter: carol.identity }, next: [report] });
  const bySubmitter = proofOf(named, result, { coordinator: carol });

  it('are proven in the same way', () => {
    const made = childOf(bySubmitter, carol);
    expect(check(made, [bySubmitter])).toMatchObject({ ok: true });
    const then = proofOf(made, { markdown: '#' }, { coordinator: carol, executor: mallory });
    expect(check(childOf(then, carol), [bySubmitter, then])).toMatchObject({ ok: true });
  });

  it("are nobody else's: not the executor's, and not under a lease of the origin", () => {
    expect(check(childOf(bySubmitter, bob), [bySubmitter])).toMatchObject(refusal('may not continue'));
    const byOrigin = proofOf(named, result, { coordinator: alice });
    expect(check(childOf(byOrigin, carol), [byOrigin])).toMatchObject(refusal('may coordinate'));
  });
});

describe('who signed', () => {
  it('is refused where it is the origin, or where there is no lineage', () => {
    expect(check({ ...root, signer: bob.identity }, [proof])).toMatchObject({
      error: { code: 'invalid_capsule' },
    });
    expect(check({ ...childOf(proof, alice), signer: alice.identity }, [proof])).toMatchObject({
      error: { code: 'invalid_capsule' },
    });
  });

  it('must have: another name beside a signature does not verify', () => {
    expect(check({ ...child, signer: carol.identity }, [proof])).toMatchObject({
      error: { code: 'invalid_signature' },
    });
  });
});

describe('hostile values in the place of proofs', () => {
  const deep: unknown = JSON.parse('['.repeat(70) + ']'.repeat(70));
  const deepSteps = nestedSteps(100_000);
  it.each<[string, unknown]>([
    ['null in the list', [null]],
    ['text in the list', ['proof']],
    ['an instance', [new Date(0)]],
    ['a result nested too deeply', [{ ...proof, result: deep }]],
    ['a function', [{ ...proof, result: () => 1 }]],
    ['a parent with steps nested beyond all depth', [{ ...proof, parent: { ...root, next: deepSteps } }]],
  ])('%s is refused without throwing', (_, proofs) => {
    const options = { now: NOW, proofs: Object(proofs) };
    expect(checkCapsule(nodeCrypto, child, options)).toMatchObject({
      ok: false,
      error: { code: 'lineage_invalid' },
    });
  });
});
