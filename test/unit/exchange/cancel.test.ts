import { describe, expect, it } from 'vitest';
import { alice, bob, carol } from '../../support/keys.ts';
import { Mesh } from '../../support/mesh.ts';

const wait = { requestedCapability: 'work.wait', payload: { ms: 5_000 } };
const cancelled = { status: 'failed', error: { code: 'cancelled' } };

describe('cancel', () => {
  it('ends a search', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const { id } = await a.submit(a.capsule());
    await mesh.settle();
    await a.exchange.cancel(id);
    await mesh.settle();
    expect(await a.view(id)).toMatchObject({ ...cancelled, receipt: null });
    expect(a.eventsOf(id).filter(({ type }) => type === 'done')).toHaveLength(1);
  });

  it('ends what was submitted in the same moment', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.wait': 0 } });
    const capsule = a.capsule(wait);
    const submitted = a.submit(capsule);
    await a.exchange.cancel(capsule.id);
    await submitted;
    await mesh.settle();
    expect(await a.view(capsule.id)).toMatchObject(cancelled);
    expect(a.runs).toEqual([]);
  });

  it('ends what runs here', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.wait': 0 } });
    const { id } = await a.submit(a.capsule(wait));
    await mesh.settle();
    expect(a.runsOf(id)).toBe(1);
    await a.exchange.cancel(id);
    await mesh.settle();
    const view = await a.view(id);
    expect(view).toMatchObject(cancelled);
    expect(view.receipt).toMatchObject({ identity: alice.identity, error: { code: 'cancelled' } });
  });

  it('ends what runs elsewhere, with the receipt of it', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    await mesh.add(carol, { offers: { 'work.wait': 0 } });
    const { id } = await a.submit(a.capsule(wait), { executor: b.nodeId });
    await mesh.settle();
    await a.exchange.cancel(id);
    await mesh.settle();
    const view = await a.view(id);
    expect(view).toMatchObject(cancelled);
    expect(view.receipt).toMatchObject({ identity: bob.identity, error: { code: 'cancelled' } });
    expect(b.record(id)).toMatchObject(cancelled);
  });

  it('ends after the grace where the executor does not answer', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    // Its heartbeats say that it goes on, which does not help it.
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 }, exchange: { heartbeatMs: 500 } });
    const { id } = await a.submit(a.capsule(wait));
    await mesh.settle();
    mesh.drop('capsule_cancel', { to: b });
    await a.exchange.cancel(id);
    await mesh.advance(1_900);
    expect(a.status(id)).toBe('executing');
    await mesh.advance(200);
    expect(await a.view(id)).toMatchObject({ ...cancelled, receipt: null });
    await mesh.advance(5_000);
    expect(a.status(id)).toBe('failed');
    expect(await mesh.problems()).toEqual([]);
  });

  it('is too late for what has ended, and knows only what is here', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    const { id } = await a.run();
    await expect(a.exchange.cancel(id)).rejects.toMatchObject({ code: 'conflict' });
    await expect(a.exchange.cancel('00'.repeat(32))).rejects.toMatchObject({ code: 'not_found' });
  });

  it("is not the executor's to ask for", async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const { id } = await a.submit(a.capsule(wait));
    await mesh.settle();
    await expect(b.exchange.cancel(id)).rejects.toMatchObject({ code: 'permission_denied' });
    expect((await a.ended(id)).status).toBe('completed');
  });
});

describe('cancel of a next step that another node coordinates', () => {
  const nodes = async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    const next = [{ requestedCapability: 'work.wait', payloadTemplate: { ms: 5_000 } }];
    const { id } = await a.submit(a.capsule({ next }));
    await mesh.settle();
    const child = a.result(id)?.steps[0]?.child ?? '';
    return { mesh, a, b, c, child };
  };

  it('is passed on, and the end comes back', async () => {
    const { mesh, a, b, c, child } = await nodes();
    expect(c.status(child)).toBe('executing');
    await a.exchange.cancel(child);
    await mesh.settle();
    for (const node of [a, b, c]) expect(node.record(child)).toMatchObject(cancelled);
    expect((await a.view(child)).receipt?.identity).toBe(carol.identity);
    expect(a.eventsOf(child).filter(({ type }) => type === 'done')).toHaveLength(1);
  });

  it('ends it here where its coordinator cannot be reached, and a late result is declined', async () => {
    const { mesh, a, b, c, child } = await nodes();
    b.crash();
    await a.exchange.cancel(child);
    expect(a.record(child)).toMatchObject(cancelled);
    await mesh.advance(6_000);
    expect(c.status(child)).toBe('completed');
    expect(a.record(child)).toMatchObject(cancelled);
    expect(await mesh.problems()).toEqual([]);
  });

  it('ends one that still waits for the settlement of its parent', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    mesh.drop('capsule_settlement', { to: b, count: 1 });
    const { id } = await a.submit(
      a.capsule({
        paymentRule: { type: 'credit', amount: 1 },
        next: [{ requestedCapability: 'work.echo', payloadTemplate: {} }],
      }),
    );
    await mesh.settle();
    const child = a.result(id)?.steps[0]?.child ?? '';
    expect(b.record(child)).toMatchObject({ status: 'pending', held: true });
    await a.exchange.cancel(child);
    await mesh.settle();
    for (const node of [a, b]) expect(node.record(child)).toMatchObject(cancelled);
    // The settlement, redelivered, finds nothing to release.
    await mesh.advance(5_000);
    expect(b.result(id)?.settlement).not.toBeNull();
    expect(b.record(child)).toMatchObject(cancelled);
  });
});
