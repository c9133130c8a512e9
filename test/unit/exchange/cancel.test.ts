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

  it('ends what was submitted in the same moment, and what of it may have begun', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.wait': 0, 'work.once': 0 } });
    const { payload } = wait;
    for (const requestedCapability of ['work.wait', 'work.once']) {
      const capsule = a.capsule({ requestedCapability, payload });
      const submitted = a.submit(capsule);
      await a.exchange.cancel(capsule.id);
      await submitted;
      await mesh.settle();
      expect(await a.view(capsule.id)).toMatchObject(cancelled);
    }
    // Only what may run twice begins before it is on the disk.
    expect(a.runs.map(({ capability }) => capability)).not.toContain('work.once');
    expect(a.life.engine.load()).toBe(0);
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

describe('cancel of a chain', () => {
  it('that has come to its steps ends all of them, and what would come after', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    const slow = { requestedCapability: 'work.wait', payloadTemplate: { ms: 5_000 } };
    const quick = { requestedCapability: 'work.echo', payloadTemplate: {} };
    const next = [slow, { ...quick, next: [slow] }, { ...slow, next: [quick] }];
    const { id } = await a.submit(a.capsule({ next }));
    await mesh.settle();
    await mesh.settle();
    expect(a.tree(id)).toEqual(['completed', 'executing', 'completed', 'executing', 'executing']);
    await a.exchange.cancel(id);
    await mesh.settle();
    expect(a.tree(id)).toEqual(['completed', 'failed', 'completed', 'failed', 'failed']);
    await mesh.advance(10_000);
    expect(c.events.filter(({ type }) => type === 'done')).toMatchObject(Array(3).fill(cancelled));
    expect(b.runs).toHaveLength(2);
    await expect(a.exchange.cancel(id)).rejects.toMatchObject({ code: 'conflict' });
    expect(await mesh.problems()).toEqual([]);
  });

  it('whose next step is being sought is durable before it is confirmed', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const { id } = await a.submit(a.capsule(wait));
    await mesh.settle();
    const release = a.stallDisk();
    let confirmed = false;
    const cancelling = a.exchange.cancel(id).then(() => {
      confirmed = true;
    });
    await mesh.advance(1_000);
    expect(confirmed).toBe(false);
    release();
    await cancelling;
    a.crash();
    await a.start();
    expect(await a.ended(id)).toMatchObject(cancelled);
  });
});

describe("cancel of a next step that its parent's executor coordinates", () => {
  const nodes = async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    const executionPolicy = { continueAt: 'executor' } as const;
    const next = [{ requestedCapability: 'work.wait', payloadTemplate: { ms: 5_000 } }];
    const { id } = await a.submit(a.capsule({ executionPolicy, next }));
    await mesh.settle();
    const child = a.record(id)?.steps[0]?.child ?? '';
    return { mesh, a, b, c, id, child };
  };

  it('is passed on, and the end comes back', async () => {
    const { mesh, a, b, c, id, child } = await nodes();
    expect(c.status(child)).toBe('executing');
    await a.exchange.cancel(id);
    await mesh.settle();
    for (const node of [a, b, c]) expect(node.record(child)).toMatchObject(cancelled);
    expect(a.eventsOf(child).filter(({ type }) => type === 'done')).toHaveLength(1);
    await mesh.advance(10_000);
    expect(c.record(child)?.open).toBe(false);
  });

  it('ends it here after the grace where its coordinator cannot be reached, and a late result changes nothing', async () => {
    const { mesh, a, b, c, child } = await nodes();
    b.crash();
    await a.exchange.cancel(child);
    await mesh.advance(2_100);
    expect(a.record(child)).toMatchObject(cancelled);
    await mesh.advance(6_000);
    expect(c.status(child)).toBe('completed');
    expect(a.record(child)).toMatchObject(cancelled);
    expect(c.record(child)?.life.work).toMatchObject({ to: [b.nodeId] });
    expect(await mesh.problems()).toEqual([]);
  });
});
