import { describe, expect, it } from 'vitest';
import type { NextStep } from '../../../../protocols/capsule/v1/schema.ts';
import type { CapsuleOptions } from '../../../../src/capsule/capsule.ts';
import { childOf, proofOf, step as textStep } from '../../../support/documents.ts';
import {
  capsuleBy,
  failureBy,
  freeBy,
  given,
  leaseBy,
  offersTo,
  ordered,
  orderOf,
  progress,
  resultBy,
  target,
} from '../../../support/hostile.ts';
import { alice, bob, carol, mallory } from '../../../support/keys.ts';
import { Mesh } from '../../../support/mesh.ts';

/** Takes whatever the result is. */
const step = (requestedCapability: string, fields: Partial<NextStep> = {}): NextStep =>
  textStep(requestedCapability, { payloadTemplate: { from: '$result' }, ...fields });

/** Bob offers what chains want, and what stores in the origin's name. */
async function chainTarget() {
  const mesh = new Mesh();
  const offers = { 'work.wait': 0, 'work.paid': 1, 'data.get': 0, 'data.store': 0 };
  const b = await mesh.add(bob, { offers });
  const m = await mesh.stranger(mallory);
  return { mesh, b, m };
}

/** A signed capsule of Alice's that Mallory has seen. */
async function stolen(options: Partial<CapsuleOptions>) {
  const nodes = await chainTarget();
  return { ...nodes, parent: freeBy(nodes.mesh, alice, options) };
}

const AT_EXECUTOR = { executionPolicy: { continueAt: 'executor' } } as const;

describe('whoever holds a signed public parent', () => {
  it('cannot continue it with a result of its own, whether it leases the parent to itself or invents a lease', async () => {
    for (const policy of [{}, AT_EXECUTOR]) {
      const { mesh, b, m, parent } = await stolen({ next: [step('work.wait')], ...policy });
      const forged = [
        proofOf(parent, { invented: true }, { coordinator: mallory, executor: mallory }),
        proofOf(parent, { invented: true }, { coordinator: carol, executor: mallory }),
      ];
      // Alice's key is what it does not have: her lease to somebody else is all that it can show.
      const others = proofOf(parent, { theirs: true }, { executor: carol });
      for (const proof of [...forged, { ...others, result: { invented: true } }, others]) {
        const child = childOf(proof, mallory);
        await m.say(b, orderOf(child, leaseBy(mesh, child, bob), [proof]));
        expect(m.of('capsule_decline').at(-1)).toMatchObject({ code: 'lineage_invalid' });
      }
      expect(m.of('capsule_decline')).toHaveLength(4);
      expect(b.runs).toEqual([]);
      expect(b.events).toEqual([]);
    }
  });

  it("cannot let children run on the origin's bill", async () => {
    const next = [step('work.paid', { paymentRule: { type: 'credit', amount: 1 } })];
    const { mesh, b, m, parent } = await stolen({ next, ...AT_EXECUTOR });
    // Even with a lease of the origin: what is paid below is continued by its submitter only.
    const proof = proofOf(parent, { done: true }, { executor: mallory });
    const child = childOf(proof, mallory);
    await m.say(b, orderOf(child, leaseBy(mesh, child, bob), [proof]));
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'lineage_invalid' }]);
    expect(b.runs).toEqual([]);
    expect((await b.ledger.history({})).items).toEqual([]);
  });

  it('does continue a free one that it was leased, for comparison', async () => {
    const { mesh, b, m, parent } = await stolen({ next: [step('work.wait')], ...AT_EXECUTOR });
    const proof = proofOf(parent, { done: true }, { executor: mallory });
    const child = childOf(proof, mallory);
    await m.say(b, orderOf(child, leaseBy(mesh, child, bob), [proof]));
    expect(b.status(child.id)).toBe('completed');
  });

  it('but only once for each step, whichever results it invents', async () => {
    const { mesh, b, m, parent } = await stolen({ next: [step('work.wait')], ...AT_EXECUTOR });
    for (const result of [{ n: 1 }, { n: 2 }, { n: 3 }]) {
      const proof = proofOf(parent, result, { executor: mallory });
      const child = childOf(proof, mallory);
      await m.say(b, orderOf(child, leaseBy(mesh, child, bob), [proof]));
      if (result.n === 2) await b.restart();
    }
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'conflict' }, { code: 'conflict' }]);
    expect(b.runs).toHaveLength(1);
  });

  it("cannot reach what is stored in the origin's name, though it was leased the parent", async () => {
    for (const name of ['data.get', 'data.store']) {
      const { mesh, b, m, parent } = await stolen({ next: [step(name)], ...AT_EXECUTOR });
      const proof = proofOf(parent, { done: true }, { executor: mallory });
      const child = childOf(proof, mallory);
      await m.say(b, orderOf(child, leaseBy(mesh, child, bob), [proof]));
      expect(m.of('capsule_decline')).toMatchObject([{ code: 'continue_at_submitter' }]);
      expect(b.runs).toEqual([]);
    }
  });

  it('cannot lease its children to others once another has continued it', async () => {
    const { mesh, b, m, parent } = await stolen({ next: [step('work.wait')], ...AT_EXECUTOR });
    const proof = proofOf(parent, { done: true }, { executor: carol });
    const child = childOf(proof, carol);
    await m.say(b, orderOf(child, leaseBy(mesh, child, bob), [proof]));
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'lease_invalid' }]);
    expect(b.runs).toEqual([]);
  });

  it('gets no proof through that is too long, too deep or of the wrong order', async () => {
    const { mesh, b, m, parent } = await stolen({
      next: [step('work.wait', { next: [step('work.wait')] })],
      ...AT_EXECUTOR,
    });
    const first = proofOf(parent, { n: 1 }, { executor: mallory });
    const middle = childOf(first, mallory);
    const second = proofOf(middle, { n: 2 }, { coordinator: mallory, executor: mallory });
    const last = childOf(second, mallory);
    for (const proofs of [[second], [second, first], [first, first, second], []]) {
      await m.say(b, orderOf(last, leaseBy(mesh, last, bob), proofs));
      expect(m.of('capsule_decline').at(-1)).toMatchObject({ code: 'lineage_invalid' });
    }
    await m.say(b, orderOf(last, leaseBy(mesh, last, bob), [first, second]));
    expect(b.status(last.id)).toBe('completed');
  });
});

describe('the executor of a step', () => {
  it('sees no more than its own payload where the submitter continues', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const m = await mesh.stranger(mallory);
    await offersTo(a, m, { capabilityId: 'work.wait', price: 0 });
    const next = [step('work.wait', { payloadTemplate: { part: '$result.text' } })];
    await a.submit(a.capsule({ payload: { text: 'shown', secret: 'kept' }, next }));
    await mesh.settle();
    const { capsule, proofs } = given(m);
    expect(capsule.payload).toEqual({ part: 'shown' });
    expect(proofs).toEqual([]);
    expect(JSON.stringify(m.received)).not.toContain('kept');
  });

  it('cannot end the chain by its word, past its coordinator or to it', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const m = await mesh.stranger(mallory);
    await offersTo(b, m, { capabilityId: 'work.wait', price: 0 });
    const { id } = await a.submit(a.capsule({ next: [step('work.wait')], ...AT_EXECUTOR }));
    await mesh.settle();
    const { capsule, lease } = given(m);
    expect(lease.coordinator).toBe(bob.identity);
    const failed = failureBy(mallory, capsule, lease, 'invalid_payload');
    await m.say(a, failed);
    expect(a.status(capsule.id)).toBe('pending');
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    await m.say(b, failed);
    await a.workflowEnded(id);
    expect(a.tree(id)).toEqual(['completed', 'completed']);
    expect(a.result(capsule.id)?.receipt?.identity).toBe(c.identity);
  });

  it('is not spoken for by a stranger while its coordinator is another', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    const m = await mesh.stranger(mallory);
    const next = [step('work.wait', { payloadTemplate: { ms: 5_000 } })];
    const { id } = await a.submit(a.capsule({ next, ...AT_EXECUTOR }));
    await mesh.settle();
    const child = a.record(id)?.steps[0]?.child ?? '';
    expect(c.status(child)).toBe('executing');
    const capsule = a.life.capsules.get(child);
    if (capsule === undefined) throw new Error('it is stored');
    for (const by of [mallory, bob]) {
      const lease = leaseBy(mesh, capsule, mallory, mallory);
      await m.say(a, resultBy(mallory, capsule, { ...lease, coordinator: by.identity }));
      await m.say(a, progress(child, 0, 'psst'));
      await m.say(b, progress(child, 0, 'psst'));
    }
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'invalid_receipt' }, { code: 'invalid_receipt' }]);
    expect(a.status(child)).toBe('pending');
    expect([...a.eventsOf(child), ...b.eventsOf(child)].filter(({ type }) => type === 'progress')).toEqual(
      [],
    );
    await a.workflowEnded(id);
    expect(a.tree(id)).toEqual(['completed', 'completed']);
  });

  it('cannot make the submitter accept another child than the result gives', async () => {
    const { mesh, a, m, id, capsule, lease } = await ordered({ next: [step('work.wait')] });
    const result = resultBy(mallory, capsule, lease);
    await m.say(a, {
      ...result,
      spawned: [{ step: 0, id: 'ab'.repeat(32), signature: 'cd'.repeat(64) }],
    } as typeof result);
    await mesh.settle();
    const [child] = a.record(id)?.steps ?? [];
    expect(a.life.capsules.get(child?.child ?? '')).toMatchObject({
      requestedCapability: 'work.wait',
      payload: { from: { done: true } },
      originIdentity: alice.identity,
    });
  });

  it('that gives what no step can be made of has failed once, and another is asked', async () => {
    const next = [step('work.wait', { payloadTemplate: { text: '$result.nonce' } })];
    const free = { paymentRule: null, next, payload: { nonce: 'n' } };
    const { mesh, a, m, id, capsule, lease } = await ordered(free, { price: 0 });
    const c = await mesh.add(carol, { offers: { 'work.echo': 0, 'work.wait': 0 } });
    await m.say(a, resultBy(mallory, capsule, lease));
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'invalid_receipt' }]);
    await a.workflowEnded(id);
    expect(a.record(id)).toMatchObject({ status: 'completed', executor: c.nodeId });
    expect(a.tree(id)).toEqual(['completed', 'completed']);
  });
});

describe('a paid chain', () => {
  it('is paid for each step by the submitter, and never twice by who plays a step again', async () => {
    const paymentRule = { type: 'credit', amount: 1 } as const;
    const { mesh, b, m } = await target({ offers: { 'work.echo': 1 } });
    const parent = capsuleBy(mesh, mallory, { next: [step('work.echo')], paymentRule });
    await m.say(b, orderOf(parent, leaseBy(mesh, parent, bob)));
    const stored = b.result(parent.id);
    if (!stored?.receipt || !stored.assignment) throw new Error('Bob has executed it');
    const { receipt, assignment: lease, result } = stored;
    // Mallory is the submitter: her child needs no proof, and gets no second payment.
    const child = childOf({ parent, receipt, lease, result }, mallory);
    const order = orderOf(child, leaseBy(mesh, child, bob));
    await m.say(b, order);
    await m.say(b, { ...order, assignment: leaseBy(mesh, child, bob, mallory, { epoch: 2 }) });
    expect(b.runs).toHaveLength(2);
    expect(b.balance(bob)).toBe(2_000_000);
  });
});
