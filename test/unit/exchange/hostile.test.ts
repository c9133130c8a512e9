import { describe, expect, it } from 'vitest';
import type { Assignment } from '../../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { ExchangeMessageOf } from '../../../protocols/messages/v1/schema.ts';
import type { Receipt } from '../../../protocols/receipt/v1/schema.ts';
import { type AssignmentBody, signAssignment } from '../../../src/capsule/assignment.ts';
import { createCapsule, signCapsule } from '../../../src/capsule/capsule.ts';
import { type ReceiptBody, signReceipt } from '../../../src/capsule/receipt.ts';
import { signSettlement } from '../../../src/capsule/settlement.ts';
import { hashJson } from '../../../src/capsule/signing.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { NOW, receiptOf } from '../../support/documents.ts';
import { alice, bob, carol, mallory, type TestKey } from '../../support/keys.ts';
import { Mesh, type Stranger, type TestNode } from '../../support/mesh.ts';

const MINUTE_MS = 60_000;

/** Bob offers; Mallory speaks the protocol as she likes. */
async function target() {
  const mesh = new Mesh();
  const b = await mesh.add(bob, { offers: { 'work.echo': 1, 'work.wait': 0 } });
  const m = await mesh.stranger(mallory);
  return { mesh, b, m };
}

function capsuleBy(
  mesh: Mesh,
  key: TestKey,
  options: Partial<Parameters<typeof createCapsule>[0]> = {},
): Capsule {
  const fields = { originIdentity: key.identity, requestedCapability: 'work.echo', payload: { text: 'x' } };
  const paymentRule = { type: 'credit', amount: 1 } as const;
  return signCapsule(
    key.signer,
    nodeCrypto,
    createCapsule({ ...fields, paymentRule, ...options }, mesh.clock),
  );
}

function leaseOf(
  mesh: Mesh,
  capsule: Capsule,
  to: { identity: string },
  by: TestKey = mallory,
  changes: Partial<AssignmentBody> = {},
): Assignment {
  const lease = {
    capsuleId: capsule.id,
    executor: to.identity,
    epoch: 1,
    expiresAt: mesh.clock.now() + 30_000,
    replyTo: by.nodeId,
    coordinator: by.identity,
  };
  return signAssignment(by.signer, nodeCrypto, { ...lease, ...changes });
}

const order = (capsule: Capsule, assignment?: Assignment): ExchangeMessageOf<'capsule_data'> => ({
  type: 'capsule_data',
  exchangeId: 'x',
  capsule,
  ...(assignment && { assignment }),
});

describe('an order', () => {
  const refused = async (
    make: (mesh: Mesh, b: TestNode) => ExchangeMessageOf<'capsule_data'>,
    code: string,
    message: RegExp,
  ): Promise<void> => {
    const { mesh, b, m } = await target();
    const told = make(mesh, b);
    await m.say(b, told);
    expect(m.received.filter(({ type }) => type === 'capsule_accept')).toEqual([]);
    expect(m.of('capsule_decline')).toMatchObject([{ capsuleId: told.capsule.id, code }]);
    expect(m.of('capsule_decline')[0]?.message).toMatch(message);
    expect(b.status(told.capsule.id)).toBe('unknown');
    expect(b.runs).toEqual([]);
    expect(b.events).toEqual([]);
    expect(b.ledger.canPay(alice.identity, 1_000_000_000, false)).toBe(true);
  };

  it('in order is accepted, for comparison', async () => {
    const { mesh, b, m } = await target();
    const capsule = capsuleBy(mesh, mallory, { requestedCapability: 'work.wait', payload: { ms: 5 } });
    await m.say(b, order(capsule, leaseOf(mesh, capsule, bob)));
    expect(m.of('capsule_accept')).toHaveLength(1);
    await mesh.advance(10);
    expect(m.of('capsule_result')).toMatchObject([{ status: 'completed', capsuleId: capsule.id }]);
  });

  it('without an assignment', () =>
    refused((mesh) => order(capsuleBy(mesh, mallory)), 'lease_invalid', /needs an assignment/));

  it('for a tampered capsule', () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory);
        return order({ ...capsule, payload: { text: 'y' } }, leaseOf(mesh, capsule, bob));
      },
      'invalid_signature',
      /"id"/,
    ));

  it('with an assignment for another capsule', () =>
    refused(
      (mesh) =>
        order(capsuleBy(mesh, mallory), leaseOf(mesh, capsuleBy(mesh, mallory, { payload: {} }), bob)),
      'lease_invalid',
      /another capsule/,
    ));

  it('with an assignment for another executor', () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory);
        return order(capsule, leaseOf(mesh, capsule, carol));
      },
      'lease_invalid',
      /another executor/,
    ));

  it("with somebody else's assignment", () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, alice);
        return order(capsule, leaseOf(mesh, capsule, bob, alice));
      },
      'lease_invalid',
      /not the sender's/,
    ));

  it('with an assignment that somebody else signed', () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory);
        const { signature } = leaseOf(mesh, capsule, bob, alice);
        return order(capsule, { ...leaseOf(mesh, capsule, bob), signature });
      },
      'lease_invalid',
      /does not verify/,
    ));

  it('by a node that neither submitted nor spawned the capsule', () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, alice);
        return order(capsule, leaseOf(mesh, capsule, bob, mallory, { replyTo: alice.nodeId }));
      },
      'lease_invalid',
      /spawned or submitted/,
    ));

  it("for a paid capsule whose result would not reach its origin's node", () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, alice);
        return order(capsule, leaseOf(mesh, capsule, bob));
      },
      'lease_invalid',
      /paid capsule/,
    ));

  it('with a node id that is none', () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory);
        const replyTo = `12D3KooW${'z'.repeat(44)}`;
        return order(capsule, leaseOf(mesh, capsule, bob, mallory, { replyTo }));
      },
      'lease_invalid',
      /replyTo|spawned or submitted/,
    ));

  it('under a lease that ended longer ago than clocks differ', async () => {
    await refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory);
        const expiresAt = mesh.clock.now() - 5 * MINUTE_MS - 1;
        return order(capsule, leaseOf(mesh, capsule, bob, mallory, { expiresAt }));
      },
      'lease_invalid',
      /expired/,
    );
    const { mesh, b, m } = await target();
    const capsule = capsuleBy(mesh, mallory);
    const expiresAt = mesh.clock.now() - 5 * MINUTE_MS;
    await m.say(b, order(capsule, leaseOf(mesh, capsule, bob, mallory, { expiresAt })));
    expect(b.status(capsule.id)).toBe('completed');
  });

  it('for a restricted or encrypted capsule of another', async () => {
    for (const [privacyRule, code] of [
      ['restricted', 'restricted'],
      ['encrypted', 'encrypted_unsupported'],
    ] as const) {
      await refused(
        (mesh) => {
          const capsule = capsuleBy(mesh, mallory, { privacyRule });
          return order(capsule, leaseOf(mesh, capsule, bob));
        },
        code,
        /./,
      );
    }
  });

  it('for what is not on offer, or costs more', async () => {
    await refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory, { requestedCapability: 'work.nothing' });
        return order(capsule, leaseOf(mesh, capsule, bob));
      },
      'capability_unavailable',
      /work.nothing/,
    );
    await refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory, { paymentRule: { type: 'credit', amount: 0.5 } });
        return order(capsule, leaseOf(mesh, capsule, bob));
      },
      'payment_required',
      /costs 1/,
    );
  });

  it('for a capsule that this node coordinates', async () => {
    const { mesh, b, m } = await target();
    const { id } = await b.submit(b.capsule({ requestedCapability: 'work.nowhere' }));
    await mesh.settle();
    const capsule = b.life.capsules.get(id);
    if (capsule === undefined) throw new Error('it is stored');
    await m.say(b, order(capsule, leaseOf(mesh, capsule, bob)));
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'conflict' }]);
    expect(b.status(id)).toBe('announced');
  });

  it('twice is executed once and answered twice', async () => {
    const { mesh, b, m } = await target();
    const capsule = capsuleBy(mesh, mallory);
    const first = order(capsule, leaseOf(mesh, capsule, bob));
    await m.say(b, first);
    await m.say(b, first);
    await m.say(b, order(capsule, leaseOf(mesh, capsule, bob, mallory, { epoch: 9 })));
    const results = m.of('capsule_result');
    expect(results.length).toBeGreaterThan(1);
    expect(new Set(results.map(({ receipt }) => receipt?.receiptHash)).size).toBe(1);
    expect(b.runs).toHaveLength(1);
    expect(b.balance(bob)).toBe(1_000_000);
  });

  it('by the hundreds in one moment is taken as far as there is room, and declined beyond', async () => {
    const mesh = new Mesh();
    const b = await mesh.add(bob, { offers: { 'work.once': 0 }, engine: { concurrency: 2, maxWaiting: 20 } });
    const m = await mesh.stranger(mallory);
    const capsules = Array.from({ length: 600 }, (_, n) =>
      capsuleBy(mesh, mallory, { requestedCapability: 'work.once', payload: { ms: 1_000, n } }),
    );
    for (const capsule of capsules)
      void m.network.send(b.nodeId, order(capsule, leaseOf(mesh, capsule, bob)));
    await mesh.settle();
    await mesh.settle();
    const declined = m.of('capsule_decline');
    expect(declined.length).toBeGreaterThanOrEqual(600 - 256 - 22);
    expect(new Set(declined.map(({ code }) => code))).toEqual(new Set(['busy']));
    expect(declined.every(({ retryAfterMs }) => (retryAfterMs ?? 0) > 0)).toBe(true);
    expect(m.received.length).toBeGreaterThanOrEqual(600);
    await mesh.advance(60_000);
    const { executing } = await b.life.capsules.counts();
    expect(executing).toBe(0);
  });

  it('that brings next steps is declined while this node coordinates as many as it may', async () => {
    const mesh = new Mesh();
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 }, exchange: { maxActive: 1 } });
    const m = await mesh.stranger(mallory);
    await b.submit(b.capsule({ requestedCapability: 'work.nowhere' }));
    const next = [{ requestedCapability: 'work.echo', payloadTemplate: {} }];
    const chained = capsuleBy(mesh, mallory, { next });
    await m.say(b, order(chained, leaseOf(mesh, chained, bob)));
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'busy' }]);
    const plain = capsuleBy(mesh, mallory);
    await m.say(b, order(plain, leaseOf(mesh, plain, bob)));
    expect(b.status(plain.id)).toBe('completed');
  });
});

/** Alice asks; Mallory offers what nobody else does, and is given the order. */
async function ordered(options: Partial<Parameters<typeof createCapsule>[0]> = {}) {
  const mesh = new Mesh();
  const a = await mesh.add(alice);
  const b = await mesh.add(bob);
  const m = await mesh.stranger(mallory);
  a.life.table.noteOffer(m.nodeId, {
    capabilityId: 'work.echo',
    price: 1,
    estimatedLatency: 0,
    idempotent: true,
  });
  await m.network.dial(`/p2p/${a.nodeId}`);
  const paymentRule = { type: 'credit', amount: 2 } as const;
  const { id } = await a.submit(a.capsule({ paymentRule, ...options }));
  await mesh.settle();
  const [given] = m.of('capsule_data');
  if (given?.assignment === undefined) throw new Error('Mallory was given no order');
  return { mesh, a, b, m, id, capsule: given.capsule, lease: given.assignment };
}

function resultBy(
  key: TestKey,
  capsule: Capsule,
  lease: Assignment,
  changes: Partial<ReceiptBody> = {},
): ExchangeMessageOf<'capsule_result'> {
  const result = { done: true };
  return {
    type: 'capsule_result',
    exchangeId: 'x',
    capsuleId: capsule.id,
    status: 'completed',
    result,
    receipt: receiptOf(capsule, result, { epoch: lease.epoch, ...changes }, key),
    assignment: lease,
    spawned: [],
  };
}

describe('a result', () => {
  it('in order is accepted and paid, for comparison', async () => {
    const { a, m, id, capsule, lease } = await ordered();
    await m.say(a, resultBy(mallory, capsule, lease));
    expect(a.status(id)).toBe('completed');
    expect(m.of('capsule_settlement')).toMatchObject([
      { settlement: { amount: 2, payee: mallory.identity } },
    ]);
    expect(a.balance(alice)).toBe(-2_000_000);
  });

  const forgeries: [
    string,
    (given: Awaited<ReturnType<typeof ordered>>) => ExchangeMessageOf<'capsule_result'>,
    RegExp,
  ][] = [
    [
      'without a receipt',
      ({ capsule, lease }) => ({ ...resultBy(mallory, capsule, lease), receipt: null }),
      /no receipt/,
    ],
    [
      'without a lease',
      ({ capsule, lease }) => ({ ...resultBy(mallory, capsule, lease), assignment: null }),
      /no receipt/,
    ],
    ["with another's receipt", ({ capsule, lease }) => resultBy(bob, capsule, lease), /not the sender's/],
    [
      'with a changed receipt',
      ({ capsule, lease }) => {
        const message = resultBy(mallory, capsule, lease);
        return { ...message, receipt: changed(message.receipt, { finishedAt: 1_800_000_000_000 }) };
      },
      /receiptHash/,
    ],
    [
      'with a receipt that another signed',
      ({ capsule, lease }) => {
        const message = resultBy(mallory, capsule, lease);
        const { signature } = receiptOf(capsule, message.result, { epoch: 1 }, bob);
        return { ...message, receipt: changed(message.receipt, { signature }) };
      },
      /signature/,
    ],
    [
      'with a receipt for another capsule',
      ({ capsule, lease }) => resultBy(mallory, capsule, lease, { capsuleId: 'ab'.repeat(32) }),
      /something else/,
    ],
    [
      'with a receipt for another capability',
      ({ capsule, lease }) => resultBy(mallory, capsule, lease, { capabilityId: 'work.cheap' }),
      /another capability/,
    ],
    [
      'with a receipt of a failure',
      ({ capsule, lease }) => {
        const failure = {
          status: 'failed',
          resultHash: null,
          error: { code: 'internal', message: 'x' },
        } as const;
        return resultBy(mallory, capsule, lease, failure);
      },
      /something else/,
    ],
    [
      'that is not the one in the receipt',
      ({ capsule, lease }) => ({ ...resultBy(mallory, capsule, lease), result: { done: false } }),
      /not the one in the receipt/,
    ],
    [
      'that is missing',
      ({ capsule, lease }) => {
        const { result: _, ...rest } = resultBy(mallory, capsule, lease);
        return rest;
      },
      /missing/,
    ],
    [
      'made under another lease than it shows',
      ({ capsule, lease }) => resultBy(mallory, capsule, lease, { epoch: 7 }),
      /another lease/,
    ],
    [
      'under a lease that was never granted',
      ({ mesh, capsule }) => {
        const lease = leaseOf(mesh, capsule, mallory, mallory, { epoch: 1 });
        return resultBy(mallory, capsule, lease);
      },
      /not the coordinator's/,
    ],
    [
      'under a lease of the future',
      ({ capsule, lease }) => resultBy(mallory, capsule, { ...lease, epoch: 2 }, { epoch: 2 }),
      /never granted/,
    ],
    [
      'under a changed lease',
      ({ capsule, lease }) => resultBy(mallory, capsule, { ...lease, expiresAt: lease.expiresAt + 1 }),
      /assignment's signature/,
    ],
  ];

  for (const [name, forge, reason] of forgeries) {
    it(`${name} is refused, its sender passed over, and nothing paid`, async () => {
      const given = await ordered({ executionPolicy: { maxRetries: 0 } });
      const { a, mesh, m, id } = given;
      await m.say(a, forge(given));
      expect(m.of('capsule_decline')).toMatchObject([{ code: 'invalid_receipt', capsuleId: id }]);
      expect(m.of('capsule_decline')[0]?.message).toMatch(reason);
      expect(m.of('capsule_settlement')).toEqual([]);
      expect(await a.ended(id)).toMatchObject({ status: 'failed', error: { code: 'invalid_receipt' } });
      expect((await a.ledger.history({})).items).toEqual([]);
      expect(await mesh.problems()).toEqual([]);
    });
  }

  it('from a stranger changes nothing, not even for the one who has the order', async () => {
    const { a, mesh, m, id, capsule, lease } = await ordered();
    const other = await mesh.stranger(carol);
    const theirs = { ...lease, executor: carol.identity };
    await other.say(a, resultBy(carol, capsule, theirs));
    await other.say(a, resultBy(mallory, capsule, lease));
    await other.say(a, { ...resultBy(carol, capsule, theirs), status: 'failed' });
    expect(other.of('capsule_decline').map(({ code }) => code)).toEqual([
      'invalid_receipt',
      'invalid_receipt',
      'invalid_receipt',
    ]);
    expect(a.record(id)).toMatchObject({ status: 'executing', executor: m.nodeId });
    await m.say(a, resultBy(mallory, capsule, lease));
    expect(a.status(id)).toBe('completed');
  });

  it('of an unknown capsule is declined as such', async () => {
    const { a, m, capsule, lease } = await ordered();
    const capsuleId = 'ab'.repeat(32);
    await m.say(a, { ...resultBy(mallory, capsule, lease), capsuleId });
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'not_found', capsuleId }]);
  });

  it('again is answered again and paid once; another one is declined', async () => {
    const { a, m, capsule, lease } = await ordered();
    await m.say(a, resultBy(mallory, capsule, lease));
    await m.say(a, resultBy(mallory, capsule, lease));
    expect(m.of('capsule_settlement')).toHaveLength(2);
    const other = { ...resultBy(mallory, capsule, lease, { finishedAt: 1_700_000_100_000 }) };
    await m.say(a, other);
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'conflict' }]);
    expect(a.balance(alice)).toBe(-2_000_000);
  });

  it('that claims next steps it has no right to gives steps that failed, and is paid for itself', async () => {
    const next = [0, 1, 2].map((n) => ({ requestedCapability: 'work.echo', payloadTemplate: { n } }));
    const { a, m, id, capsule, lease } = await ordered({ next });
    const spawned = [
      { step: 0, id: 'ab'.repeat(32), signature: 'cd'.repeat(64) },
      { step: 1, id: capsule.id, signature: capsule.signature },
      { step: 9, id: 'ab'.repeat(32), signature: 'cd'.repeat(64) },
    ];
    await m.say(a, { ...resultBy(mallory, capsule, lease), spawned });
    expect(a.status(id)).toBe('completed');
    const steps = a.result(id)?.steps ?? [];
    expect(steps.map(({ child, error }) => [child, error?.code])).toEqual([
      [null, 'delegation_invalid'],
      [null, 'delegation_invalid'],
      [null, 'delegation_invalid'],
    ]);
    expect(a.workflows.of(id)).toMatchObject({ status: 'failed', steps: 4 });
  });
});

const changed = (receipt: Receipt | null, changes: Partial<Receipt>): Receipt | null =>
  receipt && { ...receipt, ...changes };

describe('an executor', () => {
  it('that accepts and then declines has lost the work', async () => {
    const { a, mesh, m, id } = await ordered({ executionPolicy: { maxRetries: 0 } });
    await m.say(a, { type: 'capsule_accept', exchangeId: 'x', capsuleId: id });
    await m.say(a, decline(id, 'busy'));
    expect(await a.ended(id)).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    expect(await mesh.problems()).toEqual([]);
  });

  it('that declines with a code of its own is passed over all the same', async () => {
    const { a, m, id } = await ordered();
    await m.say(a, decline(id, 'i_am_special'));
    expect(a.status(id)).toBe('announced');
    expect(await a.ended(id)).toMatchObject({ status: 'failed' });
  });

  it('cannot end a capsule by declining it as wrong', async () => {
    const { a, mesh, m, id } = await ordered();
    await m.say(a, decline(id, 'invalid_capsule'));
    const c = await mesh.add(carol, { offers: { 'work.echo': 1 } });
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: c.nodeId });
  });

  it('that only ever says that it is alive does not outlive the expiry', async () => {
    const { a, mesh, m, id } = await ordered({ executionPolicy: { expiresAt: NOW + 60_000 } });
    for (let n = 0; n < 7; n++) {
      await m.say(a, progress(id, n));
      expect(a.record(id)?.executor).toBe(m.nodeId);
      await mesh.advance(10_000);
    }
    expect(await a.view(id)).toMatchObject({ status: 'failed', error: { code: 'expired' } });
  });
});

const decline = (capsuleId: string, code: string): ExchangeMessageOf<'capsule_decline'> => ({
  type: 'capsule_decline',
  exchangeId: 'x',
  capsuleId,
  code,
  message: 'No.',
  load: 0,
});

const progress = (capsuleId: string, seq: number, delta?: string): ExchangeMessageOf<'capsule_progress'> => ({
  type: 'capsule_progress',
  exchangeId: 'x',
  capsuleId,
  epoch: 1,
  seq,
  ...(delta !== undefined && { delta }),
});

describe('a stranger', () => {
  it("cannot renew another's lease, nor put words into its mouth", async () => {
    const { a, mesh, m, id } = await ordered({ executionPolicy: { maxRetries: 0 } });
    const other = await mesh.stranger(carol);
    await m.say(a, { type: 'capsule_accept', exchangeId: 'x', capsuleId: id });
    await m.say(a, progress(id, 0, 'mine'));
    for (let n = 0; n < 5; n++) {
      await other.say(a, progress(id, n, 'not mine'));
      await other.say(a, { type: 'capsule_accept', exchangeId: 'x', capsuleId: id });
      await mesh.advance(7_000);
    }
    expect(a.status(id)).toBe('failed');
    expect(a.eventsOf(id).flatMap((event) => ('delta' in event ? [event.delta] : []))).toEqual(['mine']);
  });

  it('cannot speak for the executor of a step that is coordinated elsewhere', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    const m = await mesh.stranger(mallory);
    const next = [{ requestedCapability: 'work.wait', payloadTemplate: { ms: 5_000 } }];
    mesh.drop('capsule_progress', { from: c });
    const { id } = await a.submit(a.capsule({ next }));
    await mesh.settle();
    const child = a.result(id)?.steps[0]?.child ?? '';
    const capsule = a.life.capsules.get(child);
    if (capsule === undefined) throw new Error('it is stored');
    const own = leaseOf(mesh, capsule, mallory, mallory, { epoch: 5 });
    const stolen = b.life.db.get<{ assignment: Assignment }>({ id: 6, name: 'leases' }, child)?.assignment;
    await m.say(a, progress(child, 0, 'psst'));
    await m.say(a, { ...progress(child, 0, 'psst'), assignment: own });
    await m.say(a, { ...progress(child, 0, 'psst'), assignment: { ...own, coordinator: bob.identity } });
    if (stolen !== undefined) await m.say(a, { ...progress(child, 0, 'psst'), assignment: stolen });
    expect(stolen).toBeDefined();
    expect(a.record(child)).toMatchObject({ status: 'pending', executor: null });
    expect(a.eventsOf(child).map(({ type }) => type)).toEqual(['status']);
    await a.workflowEnded(id);
  });

  it('cannot cancel', async () => {
    const { a, mesh, id } = await ordered();
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const other = await mesh.stranger(carol);
    const running = await b.submit(b.capsule({ requestedCapability: 'work.wait', payload: { ms: 500 } }));
    await mesh.settle();
    for (const [node, capsuleId] of [
      [a, id],
      [b, running.id],
    ] as const) {
      await other.say(node, { type: 'capsule_cancel', exchangeId: 'x', capsuleId, epoch: 1 });
    }
    expect(a.status(id)).toBe('executing');
    expect((await b.ended(running.id)).status).toBe('completed');
  });

  it('learns nothing about capsules that it has no part in', async () => {
    const { a, mesh, id } = await ordered();
    const other = await mesh.stranger(carol);
    await other.say(a, { type: 'capsule_result_request', exchangeId: 'x', capsuleId: id });
    expect(other.of('capsule_decline')).toMatchObject([{ code: 'not_found' }]);
  });

  it('cannot bid for what is not announced', async () => {
    const { a, mesh, id } = await ordered();
    const other = await mesh.stranger(carol);
    const bid = { price: 0, estimatedLatency: 0, idempotent: true };
    await other.say(a, { type: 'capsule_request', exchangeId: 'x', capsuleIds: [id, 'ab'.repeat(32)], bid });
    expect(a.life.table.entry(other.nodeId, 'work.echo')).toBeUndefined();
  });

  it('cannot make the window for bids shorter or longer with a flood of them', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const m = await mesh.stranger(mallory);
    const { id } = await a.submit(a.capsule());
    await mesh.settle();
    const before = a.life.timers;
    const bid = { price: 0, estimatedLatency: 0, idempotent: true };
    for (let n = 0; n < 50; n++) {
      await m.network.send(a.nodeId, { type: 'capsule_request', exchangeId: 'x', capsuleIds: [id], bid });
    }
    await mesh.settle();
    expect(a.life.timers - before).toBe(1);
    await mesh.advance(250);
    expect(m.of('capsule_data')).toHaveLength(1);
  });
});

describe('a settlement', () => {
  /** Mallory asks Bob, who is owed a settlement. */
  const owed = async () => {
    const { mesh, b, m } = await target();
    const next = [{ requestedCapability: 'work.wait', payloadTemplate: {} }];
    const capsule = capsuleBy(mesh, mallory, { next });
    await m.say(b, order(capsule, leaseOf(mesh, capsule, bob)));
    const receipt = b.result(capsule.id)?.receipt;
    const child = b.result(capsule.id)?.steps[0]?.child;
    if (!receipt || !child) throw new Error('Bob has executed it');
    const { receiptHash } = receipt;
    const body = { receiptHash, amount: 1, payer: mallory.identity, payee: bob.identity };
    const say = (from: Stranger, settlement: ReturnType<typeof settle>) =>
      from.say(b, { type: 'capsule_settlement', exchangeId: 'x', capsuleId: capsule.id, settlement });
    return { mesh, b, m, capsule, child, body, say };
  };
  const settle = (key: TestKey, body: Parameters<typeof signSettlement>[2]) =>
    signSettlement(key.signer, nodeCrypto, body);

  it('in order is stored and lets the children go on, for comparison', async () => {
    const { b, m, capsule, child, body, say } = await owed();
    expect(b.record(child)).toMatchObject({ status: 'pending', held: true });
    await say(m, settle(mallory, body));
    expect(b.result(capsule.id)?.settlement).toEqual(settle(mallory, body));
    expect(b.record(child)?.held).toBe(false);
  });

  const wrong: [string, (body: Parameters<typeof signSettlement>[2]) => ReturnType<typeof settle>][] = [
    ['over another amount', (body) => settle(mallory, { ...body, amount: 0.5 })],
    ['over another receipt', (body) => settle(mallory, { ...body, receiptHash: 'ab'.repeat(32) })],
    ['to another payee', (body) => settle(mallory, { ...body, payee: carol.identity })],
    ['by another payer', (body) => settle(carol, { ...body, payer: carol.identity })],
    [
      'that another signed',
      (body) => ({
        ...settle(mallory, body),
        signature: settle(carol, { ...body, payer: carol.identity }).signature,
      }),
    ],
  ];
  for (const [name, forge] of wrong) {
    it(`${name} is refused, and the children stay where they are`, async () => {
      const { b, m, capsule, child, body, say } = await owed();
      await say(m, forge(body));
      expect(b.result(capsule.id)?.settlement).toBeNull();
      expect(b.record(child)).toMatchObject({ status: 'pending', held: true });
      await say(m, settle(mallory, body));
      expect(b.record(child)?.held).toBe(false);
    });
  }

  it("from a node that is not the payer's is refused", async () => {
    const { mesh, b, capsule, child, body, say } = await owed();
    const other = await mesh.stranger(carol);
    await say(other, settle(mallory, body));
    expect(b.result(capsule.id)?.settlement).toBeNull();
    expect(b.record(child)).toMatchObject({ held: true });
  });

  it('is not taken back by declining what it settled', async () => {
    const { b, m, capsule, body, say } = await owed();
    await say(m, settle(mallory, body));
    await m.say(b, decline(capsule.id, 'conflict'));
    expect(b.ledger.booked(`capsule:${capsule.id}`)).toBe(true);
    expect(b.ledger.booked(`reversal:${capsule.id}`)).toBe(false);
  });

  it("is not replaced by a stranger's refusal", async () => {
    const { mesh, b, capsule, child } = await owed();
    const other = await mesh.stranger(carol);
    await other.say(b, decline(capsule.id, 'conflict'));
    await other.say(b, { type: 'capsule_accept', exchangeId: 'x', capsuleId: capsule.id });
    expect(b.balance(bob)).toBe(1_000_000);
    expect(b.record(child)).toMatchObject({ status: 'pending', held: true });
  });
});

describe('a failure', () => {
  it('that an executor reports past the coordinator ends nothing', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const m = await mesh.stranger(mallory);
    b.life.table.noteOffer(m.nodeId, {
      capabilityId: 'work.wait',
      price: 0,
      estimatedLatency: 0,
      idempotent: true,
    });
    const { id } = await a.submit(
      a.capsule({ next: [{ requestedCapability: 'work.wait', payloadTemplate: {} }] }),
    );
    await mesh.settle();
    const [given] = m.of('capsule_data');
    if (given?.assignment === undefined) throw new Error('Mallory was given no order');
    const { capsule, assignment } = given;
    const error = { code: 'invalid_payload', message: 'I say so.' };
    const failure = { status: 'failed', resultHash: null, error } as const;
    const receipt = signReceipt(mallory.signer, nodeCrypto, {
      ...receiptOf(capsule, {}, {}, mallory),
      ...failure,
      epoch: assignment.epoch,
      inputHash: hashJson(nodeCrypto, capsule.payload),
    });
    const message = { ...resultBy(mallory, capsule, assignment), ...failure, receipt, error };
    const { result: _, resultHash: __, ...failed } = message;
    await m.say(a, failed);
    expect(a.status(capsule.id)).toBe('pending');
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'invalid_receipt' }]);
    // The coordinator takes it, and passes the end on.
    await m.say(b, failed);
    await mesh.settle();
    expect(a.record(capsule.id)).toMatchObject({ status: 'failed', error: { code: 'invalid_payload' } });
    expect(a.tree(id)).toEqual(['completed', 'failed']);
  });
});
