import { describe, expect, it } from 'vitest';
import { alice, bob, carol } from '../../support/keys.ts';
import { Mesh, type NodeOptions, type TestNode } from '../../support/mesh.ts';

/** Alice asks, Bob is cheapest, Carol is next. */
async function trio(options: { b?: NodeOptions; c?: NodeOptions; capability?: string } = {}) {
  const { capability = 'work.wait' } = options;
  const mesh = new Mesh();
  const a = await mesh.add(alice);
  const b = await mesh.add(bob, { offers: { [capability]: 1 }, ...options.b });
  const c = await mesh.add(carol, { offers: { [capability]: 2 }, ...options.c });
  return { mesh, a, b, c };
}

const paid = { type: 'credit', amount: 5 } as const;
const wait = (ms: number) => ({ requestedCapability: 'work.wait', payload: { ms }, paymentRule: paid });

async function executing(mesh: Mesh, asker: TestNode, ms = 5_000): Promise<string> {
  const { id } = await asker.submit(asker.capsule(wait(ms)));
  await mesh.settle();
  return id;
}

describe('a provider that refuses', () => {
  it('for lack of room is passed over, not blamed, and asked again later', async () => {
    const { mesh, a, b, c } = await trio({
      b: { offers: { 'work.wait': 1 }, engine: { concurrency: 1, maxWaiting: 0 } },
    });
    const first = await executing(mesh, a, 1_000);
    const second = await a.submit(a.capsule(wait(10)));
    expect(await a.ended(second.id)).toMatchObject({ executor: c.nodeId, record: { attempts: 1 } });
    expect(b.status(second.id)).toBe('unknown');
    expect(await a.ended(first)).toMatchObject({ executor: b.nodeId });
    await mesh.advance(1_000);
    expect(await a.run(wait(11))).toMatchObject({ executor: b.nodeId });
  });

  it('for its price, which rose since it was heard, is passed over', async () => {
    const { mesh, a, b, c } = await trio({ b: { offers: { 'work.wait': 9 } } });
    a.life.table.noteOffer(b.nodeId, {
      capabilityId: 'work.wait',
      price: 1,
      estimatedLatency: 0,
      idempotent: true,
    });
    expect(await a.run(wait(10))).toMatchObject({ status: 'completed', executor: c.nodeId });
    expect(await mesh.problems()).toEqual([]);
  });

  it('and is the only one is asked again after a pause', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 }, engine: { concurrency: 1, maxWaiting: 0 } });
    const first = await executing(mesh, a, 3_000);
    const second = await a.submit(a.capsule(wait(10)));
    expect(await a.ended(second.id)).toMatchObject({ status: 'completed', executor: b.nodeId });
    expect(a.status(first)).toBe('completed');
  });
});

describe('a provider that fails', () => {
  it('with what may succeed elsewhere is followed by the next', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.fail': 1 } });
    await mesh.add(carol, { offers: { 'work.fail': 2 } });
    const failing = {
      requestedCapability: 'work.fail',
      paymentRule: paid,
      executionPolicy: { maxRetries: 1 },
    };
    const view = await a.run(failing);
    expect(view).toMatchObject({ status: 'failed', error: { code: 'internal' }, record: { attempts: 2 } });
    expect(view.receipt?.identity).toBe(carol.identity);
    expect(b.runsOf(view.id)).toBe(1);
    expect(a.balance(alice)).toBe(0);
    expect(await mesh.problems()).toEqual([]);
  });

  it('with what it says would fail anywhere is not believed by itself', async () => {
    const refuse = () => {
      throw Object.assign(new Error('I do not like it.'), { code: 'invalid_payload' });
    };
    const { a, b, c } = await trio({ b: { offers: { 'work.wait': 1 }, work: refuse } });
    const view = await a.run(wait(10));
    expect(view).toMatchObject({ status: 'completed', executor: c.nodeId, record: { attempts: 2 } });
    expect(b.runsOf(view.id)).toBe(1);
    // Twice more, and what it says is counted as its own failure.
    for (let n = 11; n < 13; n++) await a.run(wait(n));
    expect((await a.run(wait(13))).record.attempts).toBe(1);
    expect(b.runs).toHaveLength(3);
  });

  it('with what everybody says would fail anywhere is the end, at once', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    await mesh.add(bob, { offers: { 'work.fail': 1 } });
    const c = await mesh.add(carol, { offers: { 'work.fail': 2 } });
    const payload = { code: 'invalid_payload' };
    const executionPolicy = { maxRetries: 5 };
    const failing = { requestedCapability: 'work.fail', paymentRule: paid, payload, executionPolicy };
    const { id } = await a.submit(a.capsule(failing));
    await mesh.advance(100);
    expect(await a.view(id)).toMatchObject({
      status: 'failed',
      error: { code: 'invalid_payload' },
      receipt: { identity: carol.identity, error: { code: 'invalid_payload' } },
      record: { attempts: 2 },
    });
    expect(c.runsOf(id)).toBe(1);
  });

  it('three times is left alone for that capability for a while, unless the fault was in what it was asked', async () => {
    for (const [code, left] of [
      ['internal', true],
      ['invalid_payload', false],
    ] as const) {
      const mesh = new Mesh();
      const a = await mesh.add(alice);
      const b = await mesh.add(bob, { offers: { 'work.fail': 1, 'work.echo': 1 } });
      const c = await mesh.add(carol, { offers: { 'work.fail': 2, 'work.echo': 2 } });
      const fail = (n: number) => {
        const failing = { requestedCapability: 'work.fail', payload: { code, n }, paymentRule: paid };
        return a.run({ ...failing, executionPolicy: { maxRetries: 0 } });
      };
      for (let n = 0; n < 3; n++) expect((await fail(n)).executor).toBe(b.nodeId);
      expect((await fail(3)).executor).toBe(left ? c.nodeId : b.nodeId);
      expect((await a.run({ paymentRule: paid })).executor).toBe(b.nodeId);
    }
  });

  it('and is tried again with one capsule before it gets more', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 1 } });
    const c = await mesh.add(carol, { offers: { 'work.wait': 2 } });
    for (let n = 0; n < 3; n++) {
      const payload = { code: 'internal', n };
      const failing = { requestedCapability: 'work.wait', payload, paymentRule: paid };
      await a.run({ ...failing, executionPolicy: { maxRetries: 0 } });
    }
    await mesh.advance(10_000);
    const first = await executing(mesh, a, 1_000);
    const second = await executing(mesh, a, 1_001);
    expect([a.record(first)?.executor, a.record(second)?.executor]).toEqual([b.nodeId, c.nodeId]);
    await mesh.advance(2_000);
    expect(await a.run(wait(1))).toMatchObject({ executor: b.nodeId });
  });
});

describe('a provider that dies', () => {
  it('and stays away longer than the grace is replaced', async () => {
    const { mesh, a, b, c } = await trio();
    const id = await executing(mesh, a);
    expect(a.record(id)?.executor).toBe(b.nodeId);
    b.crash();
    await mesh.advance(1_990);
    expect(a.record(id)?.executor).toBe(b.nodeId);
    await mesh.advance(20);
    expect(a.record(id)).toMatchObject({ executor: c.nodeId, epoch: 2, attempts: 2 });
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: c.nodeId });
  });

  it('and is back within the grace goes on', async () => {
    const { mesh, a, b, c } = await trio();
    const id = await executing(mesh, a);
    mesh.hub.disconnect(a.nodeId, b.nodeId);
    await mesh.advance(1_900);
    await mesh.connect();
    expect(await a.ended(id)).toMatchObject({
      status: 'completed',
      executor: b.nodeId,
      record: { epoch: 1 },
    });
    expect(b.runsOf(id)).toBe(1);
    expect(c.runs).toEqual([]);
  });

  it('and comes back without its memory is replaced at once', async () => {
    const { mesh, a, b, c } = await trio();
    const id = await executing(mesh, a);
    b.crash();
    b.eraseDisk();
    await b.start();
    expect(a.record(id)).toMatchObject({ executor: c.nodeId, epoch: 2 });
    expect((await a.ended(id)).status).toBe('completed');
  });

  it('while the order is on its way was never an execution', async () => {
    const { mesh, a, b, c } = await trio();
    mesh.drop('capsule_data', { to: b });
    const id = await executing(mesh, a, 10);
    b.crash();
    const view = await a.ended(id);
    expect(view).toMatchObject({ status: 'completed', executor: c.nodeId, record: { attempts: 1 } });
  });

  it('of a connection alone, before it had the order, is asked whether it has it', async () => {
    const { mesh, a, b } = await trio();
    mesh.drop('capsule_accept', { from: b, count: 1 });
    const id = await executing(mesh, a, 3_000);
    mesh.hub.disconnect(a.nodeId, b.nodeId);
    await mesh.connect();
    await mesh.advance(5_000);
    expect(await a.view(id)).toMatchObject({ status: 'completed', executor: b.nodeId, record: { epoch: 1 } });
  });

  it('without a word is noticed by the heartbeats that do not come', async () => {
    const { mesh, a, b, c } = await trio();
    const id = await executing(mesh, a, 100_000);
    mesh.drop('capsule_progress', { from: b });
    // Two heartbeats and the grace.
    await mesh.advance(21_900);
    expect(a.record(id)?.executor).toBe(b.nodeId);
    await mesh.advance(200);
    expect(a.record(id)?.executor).toBe(c.nodeId);
  });

  it('is not dead while its heartbeats come', async () => {
    const { mesh, a, b } = await trio();
    const id = await executing(mesh, a, 100_000);
    await mesh.advance(99_000);
    expect(a.record(id)).toMatchObject({ executor: b.nodeId, epoch: 1 });
    await mesh.advance(2_000);
    expect(a.status(id)).toBe('completed');
  });

  it('late is not looked for less long than at the beginning', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const id = await executing(mesh, a, 60_000);
    await mesh.advance(30_000);
    b.crash();
    await mesh.advance(7_000);
    expect(a.status(id)).toBe('announced');
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: c.nodeId });
  });
});

describe('a provider that never answers', () => {
  it('is passed over after the time to accept, and told to stop in the end', async () => {
    const { mesh, a, b, c } = await trio();
    const forget = mesh.filter((_message, packet) => (packet.from === b.nodeId ? 'drop' : undefined));
    const id = await executing(mesh, a, 20_000);
    expect(b.runsOf(id)).toBe(1);
    await mesh.advance(5_100);
    expect(a.record(id)).toMatchObject({ executor: c.nodeId, attempts: 1 });
    forget();
    await mesh.advance(10_000);
    expect(b.status(id)).toBe('executing');
    // Bob is the first to be done; his lease was granted too.
    await mesh.advance(6_000);
    expect(await a.view(id)).toMatchObject({ status: 'completed', executor: b.nodeId });
    expect(c.status(id)).toBe('failed');
    expect(c.record(id)?.error?.code).toBe('cancelled');
    expect(await mesh.problems()).toEqual([]);
  });
});

describe('two results of one capsule', () => {
  it('the first valid one wins and is continued, the other is declined and reversed', async () => {
    const { mesh, a, b, c } = await trio();
    const next = [{ requestedCapability: 'work.wait', payloadTemplate: { ms: 1 } }];
    const { id } = await a.submit(a.capsule({ ...wait(5_000), next }));
    await mesh.settle();
    mesh.hub.partition([b.nodeId], [a.nodeId, c.nodeId]);
    await mesh.advance(2_100);
    expect(a.record(id)?.executor).toBe(c.nodeId);
    await mesh.advance(3_000);
    // Bob has done it too, and cannot say so.
    expect(b.status(id)).toBe('completed');
    expect(b.balance(bob)).toBe(5_000_000);
    // What comes next is for the submitter to begin.
    expect((await b.view(id)).children).toEqual([]);
    await a.ended(id);
    await mesh.heal();
    await mesh.advance(2_000);
    expect(await a.view(id)).toMatchObject({ status: 'completed', executor: c.nodeId });
    expect(b.balance(bob)).toBe(0);
    await a.workflowEnded(id);
    expect(a.tree(id)).toEqual(['completed', 'completed']);
    expect(a.balance(alice)).toBe(-10_000_000);
    expect(await mesh.problems()).toEqual([]);
  });

  it('the one that was given up may still be the first', async () => {
    const { mesh, a, b, c } = await trio();
    const id = await executing(mesh, a, 4_000);
    mesh.hub.partition([b.nodeId], [a.nodeId, c.nodeId]);
    await mesh.advance(3_000);
    expect(a.record(id)?.executor).toBe(c.nodeId);
    await mesh.heal();
    await mesh.advance(1_500);
    expect(await a.view(id)).toMatchObject({ status: 'completed', executor: b.nodeId });
    await mesh.advance(5_000);
    expect(c.record(id)).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
    expect(await mesh.problems()).toEqual([]);
  });

  it('one of them from this node itself: it stops, and its receipt changes nothing', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.wait': 0 } });
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const policy = { executionPolicy: { preferredLocality: 'ring1' as const } };
    const { id } = await a.submit(
      a.capsule({ requestedCapability: 'work.wait', payload: { ms: 4_000 }, ...policy }),
    );
    await mesh.settle();
    mesh.hub.partition([b.nodeId], [a.nodeId]);
    await mesh.advance(3_000);
    expect(a.record(id)?.executor).toBe(a.nodeId);
    await mesh.heal();
    await mesh.advance(1_500);
    expect(await a.view(id)).toMatchObject({ status: 'completed', executor: b.nodeId });
    await mesh.advance(5_000);
    expect(await a.view(id)).toMatchObject({
      status: 'completed',
      executor: b.nodeId,
      result: { by: bob.identity },
      receipt: { identity: bob.identity },
    });
    expect(a.eventsOf(id).filter(({ type }) => type === 'done')).toHaveLength(1);
    const { items } = await a.life.engine.receipts.list({});
    const own = items.find(({ receipt }) => receipt.capsuleId === id)?.receipt;
    expect(own).toMatchObject({ identity: alice.identity, status: 'failed', error: { code: 'cancelled' } });
    expect((await a.run({ requestedCapability: 'work.wait', payload: { ms: 1 } })).status).toBe('completed');
    expect(await mesh.problems()).toEqual([]);
  });
});
