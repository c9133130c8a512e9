import { describe, expect, it } from 'vitest';
import type { ExecutionPolicy } from '../../../protocols/capsule/v1/schema.ts';
import { alice, bob, carol } from '../../support/keys.ts';
import { Mesh } from '../../support/mesh.ts';

const wait = (ms: number, executionPolicy: ExecutionPolicy | null = null) => ({
  requestedCapability: 'work.wait',
  payload: { ms },
  executionPolicy,
});

describe('timeout', () => {
  it('ends the work that takes longer, and only that', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const quick = await a.run(wait(900, { timeout: 1_000, maxRetries: 0 }));
    expect(quick.status).toBe('completed');
    const slow = await a.run(wait(1_100, { timeout: 1_000, maxRetries: 0 }));
    expect(slow).toMatchObject({ status: 'failed', error: { code: 'timeout' } });
    expect(slow.receipt).toMatchObject({ status: 'failed', error: { code: 'timeout' } });
    const patient = await a.run(wait(1_100));
    expect(patient.status).toBe('completed');
  });

  it('does not count the time in the queue', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    await mesh.add(bob, { offers: { 'work.wait': 0 }, engine: { concurrency: 1 } });
    const [first, second] = await Promise.all([
      a.submit(a.capsule(wait(900, { timeout: 1_000, maxRetries: 0 }))),
      a.submit(a.capsule(wait(901, { timeout: 1_000, maxRetries: 0 }))),
    ]);
    expect((await a.ended(first.id)).status).toBe('completed');
    expect((await a.ended(second.id)).status).toBe('completed');
  });
});

describe('maxRetries', () => {
  const paid = { paymentRule: { type: 'credit', amount: 2 } } as const;

  for (const [maxRetries, status] of [
    [0, 'failed'],
    [1, 'completed'],
  ] as const) {
    it(`${maxRetries} means ${maxRetries === 0 ? 'the first failure is the end' : 'another is asked'}`, async () => {
      const mesh = new Mesh();
      const a = await mesh.add(alice);
      const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
      const c = await mesh.add(carol, { offers: { 'work.wait': 1 } });
      const { id } = await a.submit(a.capsule({ ...wait(5_000, { maxRetries }), ...paid }));
      await mesh.settle();
      expect(b.runsOf(id)).toBe(1);
      b.crash();
      const view = await a.ended(id);
      expect(view.status).toBe(status);
      expect(view.record.attempts).toBe(maxRetries + 1);
      expect(c.runsOf(id)).toBe(maxRetries);
    });
  }

  it('is what the node says where the capsule says nothing', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { exchange: { maxRetries: 0 } });
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    await mesh.add(carol, { offers: { 'work.wait': 1 } });
    const { id } = await a.submit(a.capsule({ ...wait(5_000), ...paid }));
    await mesh.settle();
    b.crash();
    expect(await a.ended(id)).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
  });

  it('counts executions, not orders that came to nothing', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const c = await mesh.add(carol, { offers: { 'work.wait': 1 } });
    mesh.drop('capsule_data', { to: b });
    const view = await a.run({ ...wait(10, { maxRetries: 0 }), ...paid });
    expect(view).toMatchObject({
      status: 'completed',
      executor: c.nodeId,
      record: { attempts: 1, epoch: 2 },
    });
  });
});

describe('preferredLocality', () => {
  it('goes to that ring first, and elsewhere where nobody is there', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const c = await mesh.add(carol, { offers: { 'work.echo': 0 } });
    mesh.hub.setRoundTrip(a.nodeId, b.nodeId, 1);
    mesh.hub.setRoundTrip(a.nodeId, c.nodeId, 200);
    const executorWith = async (executionPolicy: ExecutionPolicy | null) =>
      (await a.run({ executionPolicy })).executor;
    expect(await executorWith(null)).toBe(a.nodeId);
    expect(await executorWith({ preferredLocality: 'local' })).toBe(a.nodeId);
    expect(await executorWith({ preferredLocality: 'ring1' })).toBe(b.nodeId);
    expect(await executorWith({ preferredLocality: 'global' })).toBe(c.nodeId);
    await c.stop();
    expect(await executorWith({ preferredLocality: 'global' })).toBe(b.nodeId);
  });
});

describe('expiresAt', () => {
  it('is refused where it has passed', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    const capsule = a.capsule({ executionPolicy: { expiresAt: mesh.clock.now() + 1_000 } });
    await mesh.advance(1_000);
    await expect(a.submit(capsule)).rejects.toMatchObject({ code: 'expired' });
    expect(a.status(capsule.id)).toBe('unknown');
  });

  it('is how long a provider is sought: longer than without, or shorter', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { exchange: { searchMs: 10_000 } });
    const expiring = (ms: number) =>
      a.submit(a.capsule({ executionPolicy: { expiresAt: mesh.clock.now() + ms } }));
    const [soon, late] = [await expiring(3_000), await expiring(60_000)];
    const without = await a.submit(a.capsule());
    await mesh.advance(3_100);
    expect(await a.view(soon.id)).toMatchObject({ status: 'failed', error: { code: 'expired' } });
    await mesh.advance(10_000);
    expect(await a.view(without.id)).toMatchObject({ status: 'failed', error: { code: 'no_provider' } });
    expect(a.status(late.id)).toBe('announced');
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    expect(await a.ended(late.id)).toMatchObject({ status: 'completed', executor: b.nodeId });
  });

  it('ends the work that goes on beyond it, here and elsewhere', async () => {
    for (const remote of [false, true]) {
      const mesh = new Mesh();
      const offers = { offers: { 'work.wait': 0 } };
      const a = await mesh.add(alice, remote ? {} : offers);
      const b = await mesh.add(bob, remote ? offers : {});
      const expiresAt = mesh.clock.now() + 1_000;
      const { id } = await a.submit(a.capsule(wait(5_000, { expiresAt })));
      await mesh.advance(990);
      expect(a.status(id)).toBe('executing');
      // Elsewhere the coordinator's clock decides, after the grace: the executor's may be ahead.
      await mesh.advance(remote ? 2_020 : 20);
      const view = await a.view(id);
      expect(view).toMatchObject({ status: 'failed', error: { code: 'expired' } });
      const receipt = {
        identity: (remote ? b : a).identity,
        error: { code: remote ? 'cancelled' : 'expired' },
      };
      expect(view.receipt).toMatchObject(receipt);
      expect(b.life.engine.load()).toBe(0);
    }
  });

  it('ends the work that still waits in a queue', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 }, engine: { concurrency: 1 } });
    const first = await a.submit(a.capsule(wait(5_000)));
    const second = await a.submit(a.capsule(wait(1, { expiresAt: mesh.clock.now() + 1_000 })));
    await mesh.advance(3_010);
    expect(await a.view(second.id)).toMatchObject({ status: 'failed', error: { code: 'expired' } });
    expect(b.runsOf(second.id)).toBe(0);
    expect((await a.ended(first.id)).status).toBe('completed');
  });

  it('is the coordinator to enforce where the executor does not', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    mesh.drop('capsule_result', { from: b });
    const { id } = await a.submit(a.capsule(wait(5_000, { expiresAt: mesh.clock.now() + 1_000 })));
    await mesh.advance(2_900);
    expect(a.status(id)).toBe('executing');
    await mesh.advance(200);
    expect(await a.view(id)).toMatchObject({ status: 'failed', error: { code: 'expired' } });
  });

  it('holds however far away it is', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    await mesh.add(bob, { offers: { 'work.wait': 0 }, engine: { maxTimeoutMs: 2 ** 40 } });
    const day = 86_400_000;
    const view = await a.submit(a.capsule(wait(1_000, { expiresAt: mesh.clock.now() + 29 * day })));
    expect((await a.ended(view.id)).status).toBe('completed');
  });
});

describe('continueAt', () => {
  const chain = (continueAt: 'executor' | 'submitter') => ({
    payload: { text: 'x', secret: 'parent only' },
    executionPolicy: { continueAt },
    next: [
      { requestedCapability: 'work.wait', payloadTemplate: { from: '$result.text' }, executionPolicy: null },
    ],
  });
  const nodes = async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    return { mesh, a, b, c };
  };

  it('executor: it signs, proves and coordinates the next step', async () => {
    const { a, b, c } = await nodes();
    const { id } = await a.submit(a.capsule(chain('executor')));
    await a.workflowEnded(id);
    const [child] = (await a.view(id)).children;
    const view = await a.view(child ?? '');
    expect(view).toMatchObject({ status: 'completed', executor: c.nodeId, result: { from: 'x' } });
    const role = { submitter: a.nodeId, coordinator: b.nodeId, root: id, chainDepth: 1 };
    expect(view.record).toMatchObject(role);
    expect(c.life.capsules.get(view.id)).toMatchObject({
      signer: bob.identity,
      originIdentity: alice.identity,
      lineage: { step: 0 },
    });
  });

  it('submitter: its node signs and coordinates, and shows nothing of the parent', async () => {
    const { a, b, c } = await nodes();
    const { id } = await a.submit(a.capsule(chain('submitter')));
    await a.workflowEnded(id);
    const [child] = (await a.view(id)).children;
    const view = await a.view(child ?? '');
    expect(view).toMatchObject({ status: 'completed', executor: c.nodeId, result: { from: 'x' } });
    const role = { submitter: a.nodeId, coordinator: a.nodeId, root: id, chainDepth: 1 };
    expect(view.record).toMatchObject(role);
    expect(view.capsule.signer).toBeUndefined();
    expect(JSON.stringify(c.life.capsules.get(view.id))).not.toContain('parent only');
    expect(b.status(view.id)).toBe('unknown');
  });

  it('executor: does not hold where anything is paid, or restricted', async () => {
    const { mesh, a, b } = await nodes();
    const paid = { paymentRule: { type: 'credit', amount: 1 } } as const;
    const asked = chain('executor');
    const [step] = asked.next;
    for (const capsule of [
      { ...asked, ...paid },
      { ...asked, next: [{ ...step, ...paid }] },
    ]) {
      const { id } = await a.submit(a.capsule(capsule as Parameters<typeof a.capsule>[0]));
      await a.workflowEnded(id);
      const [child] = (await a.view(id)).children;
      expect(a.record(child ?? '')).toMatchObject({ status: 'completed', coordinator: a.nodeId });
      expect(b.status(child ?? '')).toBe('unknown');
    }
    await mesh.advance(5_000);
    expect(await mesh.problems()).toEqual([]);
  });
});
