import { describe, expect, it } from 'vitest';
import type { PaymentRule } from '../../../protocols/capsule/v1/schema.ts';
import { verifySettlement } from '../../../src/capsule/settlement.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { NEWCOMER_GAP_MS } from '../../../src/market/advertiser.ts';
import { alice, bob, carol } from '../../support/keys.ts';
import { Mesh, type NodeOptions } from '../../support/mesh.ts';

const pay = (amount: number, requirePrepay = false): { paymentRule: PaymentRule } => ({
  paymentRule: { type: 'credit', amount, requirePrepay },
});

async function pair(options: NodeOptions = {}) {
  const mesh = new Mesh();
  const a = await mesh.add(alice, { exchange: { searchMs: 5_000 } });
  const b = await mesh.add(bob, { offers: { 'work.echo': 2, 'work.wait': 2, 'work.fail': 2 }, ...options });
  return { mesh, a, b };
}

describe('a paid capsule', () => {
  it('is minted once at the executor, mirrored at the origin, and countersigned', async () => {
    const { mesh, a, b } = await pair();
    const view = await a.run(pay(2.5));
    await mesh.settle();
    expect(view.status).toBe('completed');
    for (const node of [a, b]) {
      expect(node.balance(alice)).toBe(-2_500_000);
      expect(node.balance(bob)).toBe(2_500_000);
      const { items } = await node.ledger.history({});
      expect(items).toMatchObject([
        {
          reference: `capsule:${view.id}`,
          debit: alice.identity,
          credit: bob.identity,
          microAmount: 2_500_000,
          receiptHash: view.receipt?.receiptHash,
        },
      ]);
      const { settlement } = node.result(view.id) ?? {};
      expect(settlement).toMatchObject({
        amount: 2.5,
        payer: alice.identity,
        payee: bob.identity,
        receiptHash: view.receipt?.receiptHash,
      });
      expect(verifySettlement(nodeCrypto, settlement).ok).toBe(true);
    }
    expect(await mesh.problems()).toEqual([]);
  });

  it('costs nothing where it fails', async () => {
    const { mesh, a, b } = await pair();
    const view = await a.run({
      ...pay(2),
      requestedCapability: 'work.fail',
      executionPolicy: { maxRetries: 0 },
    });
    expect(view.status).toBe('failed');
    for (const node of [a, b]) expect((await node.ledger.history({})).items).toEqual([]);
    expect(await mesh.problems()).toEqual([]);
  });

  it('costs nothing where the origin executes it itself', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 100 } });
    expect((await a.run(pay(1))).status).toBe('completed');
    expect((await a.ledger.history({})).items).toEqual([]);
  });

  it('whose amount is below the price finds nobody, and at the price it does', async () => {
    const { a } = await pair();
    expect(await a.run(pay(1.999999))).toMatchObject({ status: 'failed', error: { code: 'no_provider' } });
    expect(await a.run({})).toMatchObject({ status: 'failed', error: { code: 'no_provider' } });
    expect((await a.run(pay(2))).status).toBe('completed');
  });

  it('below the price is refused by the executor too, whatever the coordinator believes', async () => {
    const { mesh, a, b } = await pair();
    // Its next advertisement, soon after the two have met, would correct the belief.
    await mesh.advance(NEWCOMER_GAP_MS);
    a.life.table.noteOffer(b.nodeId, {
      capabilityId: 'work.echo',
      price: 1,
      estimatedLatency: 0,
      idempotent: true,
    });
    expect(await a.run(pay(1))).toMatchObject({ status: 'failed', error: { code: 'payment_required' } });
    expect(b.runs).toEqual([]);
  });

  it('may be owed up to the limit, and not beyond', async () => {
    const { a, b } = await pair({ creditLimit: 5 });
    expect((await a.run(pay(2))).status).toBe('completed');
    expect((await a.run(pay(3))).status).toBe('completed');
    expect(b.balance(alice)).toBe(-5_000_000);
    expect(await a.run(pay(2))).toMatchObject({ status: 'failed', error: { code: 'insufficient_credit' } });
  });

  it('counts what is in work as spent', async () => {
    const { mesh, a, b } = await pair({ creditLimit: 5 });
    const wait = { requestedCapability: 'work.wait', ...pay(3) };
    const first = await a.submit(a.capsule({ ...wait, payload: { ms: 2_000 } }));
    const second = await a.submit(a.capsule({ ...wait, payload: { ms: 2_001 } }));
    await mesh.settle();
    expect([b.status(first.id), b.status(second.id)].sort()).toEqual(['executing', 'unknown']);
    await mesh.advance(30_000);
    expect([a.status(first.id), a.status(second.id)].sort()).toEqual(['completed', 'failed']);
  });

  it('with requirePrepay needs a balance that covers it', async () => {
    const { mesh, a, b } = await pair();
    expect(await a.run(pay(2, true))).toMatchObject({
      status: 'failed',
      error: { code: 'insufficient_credit' },
    });
    await b.ledger.grant(alice.identity, 2_000_000, 'gift');
    expect((await a.run(pay(2, true))).status).toBe('completed');
    expect(b.balance(alice)).toBe(0);
    expect(await a.run(pay(2, true))).toMatchObject({
      status: 'failed',
      error: { code: 'insufficient_credit' },
    });
    expect((await a.run(pay(2, false))).status).toBe('completed');
    expect(await mesh.problems()).toEqual([]);
  });

  it('is reserved again by an executor that was restarted', async () => {
    const { mesh, a, b } = await pair({ creditLimit: 5 });
    const wait = { requestedCapability: 'work.wait', ...pay(3) };
    const { id } = await a.submit(a.capsule({ ...wait, payload: { ms: 5_000 } }));
    await mesh.settle();
    await b.restart();
    expect(b.status(id)).toBe('executing');
    expect(b.ledger.canPay(alice.identity, 3_000_000, false)).toBe(false);
    await a.ended(id);
    await mesh.settle();
    expect(b.ledger.canPay(alice.identity, 2_000_000, false)).toBe(true);
  });
});

describe('a capsule that pays the price', () => {
  const upTo = (amount: number): { paymentRule: PaymentRule } => ({
    paymentRule: { type: 'credit', amount, charge: 'price' },
  });

  it('costs what was offered, and says so in lease, receipt, settlement and both books', async () => {
    const { mesh, a, b } = await pair();
    const view = await a.run(upTo(5));
    await mesh.settle();
    expect(view.receipt?.charge).toBe(2);
    for (const node of [a, b]) {
      expect(node.result(view.id)).toMatchObject({ assignment: { price: 2 }, settlement: { amount: 2 } });
      expect(node.balance(bob)).toBe(2_000_000);
    }
    expect(await mesh.problems()).toEqual([]);
  });

  it('goes to whoever is best, not to whoever asks for all of it', async () => {
    const { mesh, a, b } = await pair();
    const c = await mesh.add(carol, { offers: { 'work.echo': 5 } });
    expect(await a.run(upTo(5))).toMatchObject({ executor: b.nodeId, receipt: { charge: 2 } });
    await b.stop();
    expect(await a.run(upTo(5))).toMatchObject({ executor: c.nodeId, receipt: { charge: 5 } });
  });

  it('never costs more than it says, whatever the price has become since it was heard', async () => {
    const { mesh, a, b } = await pair({ offers: { 'work.echo': 4 } });
    await mesh.advance(NEWCOMER_GAP_MS);
    const heard = { capabilityId: 'work.echo', price: 1, estimatedLatency: 0, idempotent: true };
    a.life.table.noteOffer(b.nodeId, heard);
    // A lease below the offer is declined.
    expect(await a.run(upTo(3))).toMatchObject({ status: 'failed', error: { code: 'payment_required' } });
    expect(b.runs).toEqual([]);
    expect(a.balance(alice)).toBe(0);
  });

  it('and executes at its origin costs nothing', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 2 } });
    expect(await a.run(upTo(5))).toMatchObject({ status: 'completed', receipt: { charge: null } });
    expect(a.balance(alice)).toBe(0);
  });

  it('holds for each step of its chain', async () => {
    const { mesh, a, b } = await pair();
    const c = await mesh.add(carol, { offers: { 'work.dear': 3 } });
    const step = (requestedCapability: string) => ({ requestedCapability, payloadTemplate: {} });
    const next = [{ ...step('work.dear'), next: [step('work.echo')] }];
    const { id } = await a.submit(a.capsule({ ...upTo(4), next }));
    await a.workflowEnded(id);
    await mesh.advance(5_000);
    expect(a.tree(id)).toEqual(['completed', 'completed', 'completed']);
    expect([a.balance(alice), b.balance(bob), c.balance(carol)]).toEqual([-7_000_000, 4_000_000, 3_000_000]);
    expect(await mesh.problems()).toEqual([]);
  });

  it('ends its chain at a step that costs more, before that is paid', async () => {
    const { mesh, a, b } = await pair();
    const c = await mesh.add(carol, { offers: { 'work.dear': 6 } });
    const next = [{ requestedCapability: 'work.dear', payloadTemplate: {} }];
    const { id } = await a.submit(a.capsule({ ...upTo(4), next }));
    await a.workflowEnded(id);
    expect(a.tree(id)).toEqual(['completed', 'failed']);
    expect(a.record(a.record(id)?.steps[0]?.child ?? '')?.error).toMatchObject({ code: 'no_provider' });
    expect(a.balance(alice)).toBe(-2_000_000);
    expect(b.balance(bob)).toBe(2_000_000);
    expect(c.runs).toEqual([]);
  });
});

describe('a debt', () => {
  it('is settled by a settlement and by nothing less', async () => {
    const { mesh, a, b } = await pair();
    mesh.drop('capsule_settlement', { to: b });
    const view = await a.run(pay(2));
    const acceptance = { type: 'capsule_accept', capsuleId: view.id, of: 'result', epoch: 1 } as const;
    await a.life.network.send(b.nodeId, acceptance);
    await mesh.settle();
    expect(b.record(view.id)).toMatchObject({ open: true, life: { work: { kind: 'delivering' } } });
    mesh.dropNothing();
    await mesh.advance(5_000);
    expect(b.record(view.id)?.open).toBe(false);
    expect(b.result(view.id)?.settlement).toMatchObject({ amount: 2 });
  });

  it('stays where its payer says that it has another result, and does not show it', async () => {
    const { mesh, a, b } = await pair({ creditLimit: 3 });
    mesh.drop('capsule_settlement', { to: b });
    const { id } = await a.run(pay(2));
    const refusal = {
      of: 'capsule_result',
      capsuleId: id,
      epoch: 1,
      code: 'conflict',
      message: 'No.',
      load: 0,
    } as const;
    await a.life.network.send(b.nodeId, { type: 'capsule_decline', ...refusal });
    await mesh.settle();
    expect(b.record(id)?.open).toBe(false);
    expect(b.balance(bob)).toBe(2_000_000);
    expect(b.ledger.booked(`reversal:${id}`)).toBe(false);
    // It counts against the credit.
    expect(await a.run(pay(2))).toMatchObject({ status: 'failed', error: { code: 'insufficient_credit' } });
  });
});

describe('a paid chain', () => {
  it('pays each executor for its own step, from the origin, in every book', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 1 } });
    const c = await mesh.add(carol, { offers: { 'work.wait': 2 } });
    const step = { requestedCapability: 'work.wait', payloadTemplate: { ms: 1 } };
    const { id } = await a.submit(a.capsule({ ...pay(2), next: [{ ...step, ...pay(3) }, step] }));
    await a.workflowEnded(id);
    await mesh.advance(5_000);
    // The second step inherits the parent's rule.
    expect(a.tree(id)).toEqual(['completed', 'completed', 'completed']);
    expect([a.balance(alice), a.balance(bob), a.balance(carol)]).toEqual([-7_000_000, 2_000_000, 5_000_000]);
    expect(b.balance(bob)).toBe(2_000_000);
    expect(c.balance(carol)).toBe(5_000_000);
    expect(await mesh.problems()).toEqual([]);
  });
});

async function everyEntry<T>(pages: AsyncIterable<T[]>): Promise<T[]> {
  const entries: T[] = [];
  for await (const page of pages) entries.push(...page);
  return entries;
}

describe('reconciliation', () => {
  it('fetches what another node has booked between the two, in pages', async () => {
    const { mesh, a, b } = await pair({ creditLimit: 1_000_000 });
    for (let n = 0; n < 3; n++) await a.run(pay(2));
    await b.ledger.grant(carol.identity, 1, 'not for others to know');
    const fetched = everyEntry(a.exchange.ledgerEntriesOf(b.nodeId));
    await mesh.settle();
    const entries = await fetched;
    expect(entries.map(({ reference }) => reference)).toEqual(
      (await a.bookWith(b)).map(({ reference }) => reference),
    );
    expect(entries).toHaveLength(3);
  });

  it('asks no more when nobody waits for it', async () => {
    const { mesh, a, b } = await pair();
    mesh.drop('ledger_entries');
    const gone = new AbortController();
    const ended = expect(
      everyEntry(a.exchange.ledgerEntriesOf(b.nodeId, { signal: gone.signal })),
    ).rejects.toMatchObject({ code: 'cancelled' });
    await mesh.settle();
    gone.abort();
    await ended;
  });

  it('says so where the other does not answer', async () => {
    const { mesh, a, b } = await pair();
    mesh.drop('ledger_entries');
    const fetch = () => everyEntry(a.exchange.ledgerEntriesOf(b.nodeId));
    const silent = expect(fetch()).rejects.toMatchObject({ code: 'timeout' });
    await mesh.advance(10_001);
    await silent;
    await b.stop();
    await expect(fetch()).rejects.toMatchObject({ code: 'unreachable' });
  });
});
