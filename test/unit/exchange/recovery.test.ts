import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { verifyReceipt } from '../../../src/capsule/receipt.ts';
import { COORDINATOR_FAULT_POINTS, EXECUTOR_FAULT_POINTS } from '../../../src/exchange/fault-points.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { keyspace } from '../../../src/store/keyspaces.ts';
import { alice, bob, carol } from '../../support/keys.ts';
import { Mesh, type TestNode } from '../../support/mesh.ts';

/** Alice asks and pays, Bob executes the first step and coordinates the second, Carol executes that. */
async function trio(payload: JsonObject = { text: 'x' }) {
  const mesh = new Mesh();
  const a = await mesh.add(alice);
  const b = await mesh.add(bob, { offers: { 'work.echo': 1 } });
  const c = await mesh.add(carol, { offers: { 'work.wait': 2 } });
  const capsule = a.capsule({
    payload,
    paymentRule: { type: 'credit', amount: 3 },
    next: [{ requestedCapability: 'work.wait', payloadTemplate: { text: '$result.text', ms: 1 } }],
  });
  return { mesh, a, b, c, capsule };
}

/** What must hold whatever died: all done, paid once, continued once, proven, and agreed upon. */
async function expectAllWell({ mesh, a, b, c }: Awaited<ReturnType<typeof trio>>, id: string): Promise<void> {
  await a.workflowEnded(id);
  await mesh.advance(70_000);
  expect(a.tree(id)).toEqual(['completed', 'completed']);
  const child = a.result(id)?.steps[0]?.child ?? '';
  for (const [capsuleId, executor] of [
    [id, b],
    [child, c],
  ] as const) {
    const accepted = a.result(capsuleId)?.receipt;
    expect(verifyReceipt(nodeCrypto, accepted).ok).toBe(true);
    expect(executor.result(capsuleId)?.receipt).toEqual(accepted);
    expect(executor.result(capsuleId)?.settlement).toMatchObject({
      receiptHash: accepted?.receiptHash,
      amount: 3,
    });
  }
  expect(b.status(child)).toBe('completed');
  expect([a.balance(alice), a.balance(bob), a.balance(carol)]).toEqual([-6_000_000, 3_000_000, 3_000_000]);
  // What only a capsule in progress needs is gone with its end.
  for (const node of [a, b, c]) {
    for (const capsuleId of [id, child]) {
      expect(node.life.db.get(keyspace('leases'), capsuleId)).toBeUndefined();
      expect(node.life.db.get(keyspace('outbox'), capsuleId)).toBeUndefined();
    }
  }
  const open = await Promise.all([a, b, c].map((node) => node.life.capsules.counts()));
  for (const { pending, announced, executing } of open)
    expect([pending, announced, executing]).toEqual([0, 0, 0]);
  expect(await mesh.problems()).toEqual([]);
}

async function submitUnlessItDies(node: TestNode, capsule: unknown): Promise<void> {
  await node.submit(capsule).catch((error: unknown) => {
    if (node.isAlive) throw error;
  });
}

describe('a node that dies between two steps', () => {
  const cases: [
    point: (typeof COORDINATOR_FAULT_POINTS | typeof EXECUTOR_FAULT_POINTS)[number],
    who: 'a' | 'b' | 'c',
  ][] = [
    ...COORDINATOR_FAULT_POINTS.map((point) => [point, 'a'] as const),
    ...EXECUTOR_FAULT_POINTS.map((point) => [point, 'b'] as const),
    // As the coordinator of the second step.
    ...COORDINATOR_FAULT_POINTS.filter((point) => !/submit|settlement/.test(point)).map(
      (point) => [point, 'b'] as const,
    ),
    ...EXECUTOR_FAULT_POINTS.map((point) => [point, 'c'] as const),
  ].map(([point, who]) => [point, who]);

  for (const [point, who] of cases) {
    for (const downMs of [100, 6_000]) {
      it(`${who} at ${point}, for ${downMs} ms`, async () => {
        // What is done at once is never said to be accepted: its result says so.
        const nodes = await trio(point.startsWith('accept') ? { text: 'x', ms: 1 } : undefined);
        const { mesh, a, capsule } = nodes;
        const victim = nodes[who];
        victim.crashAt(point);
        await submitUnlessItDies(a, capsule);
        await mesh.until(() => !victim.isAlive, 'the death');
        await mesh.advance(downMs);
        await victim.start();
        // Only what was refused, or never said to be accepted, is handed in again; for the rest that changes nothing.
        await a.submit(capsule);
        await expectAllWell(nodes, capsule.id);
      });
    }
  }

  it('and all others at the same time', async () => {
    for (const point of ['order.sent', 'result.committed', 'settlement.sent'] as const) {
      const nodes = await trio();
      const { mesh, a, b, c, capsule } = nodes;
      a.crashAt(point);
      await submitUnlessItDies(a, capsule);
      await mesh.settle();
      b.crash();
      c.crash();
      await mesh.advance(1_000);
      for (const node of [c, b, a]) await node.start();
      await expectAllWell(nodes, capsule.id);
    }
  });

  it('again and again, at each of its points one after the other', async () => {
    const nodes = await trio();
    const { mesh, a, b, capsule } = nodes;
    // Interruptions count as attempts that failed, unless nothing had begun.
    for (const point of [
      'order.received',
      'result.sent',
      'settlement.received',
      'settlement.committed',
    ] as const) {
      b.crashAt(point);
      await submitUnlessItDies(a, capsule);
      await mesh.until(() => !b.isAlive, point);
      await b.start();
    }
    await expectAllWell(nodes, capsule.id);
  });
});

describe('an execution that was interrupted', () => {
  const once = { requestedCapability: 'work.once', payload: { ms: 5_000 } };

  it('is run again where that does no harm', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.wait': 0 } });
    const { id } = await a.submit(a.capsule({ ...once, requestedCapability: 'work.wait' }));
    await mesh.settle();
    await a.restart();
    expect(await a.ended(id)).toMatchObject({ status: 'completed', record: { attempts: 2, epoch: 1 } });
    expect(a.runsOf(id)).toBe(2);
  });

  it('is not run again where it may do harm, and ends as interrupted', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.once': 0 } });
    const { id } = await a.submit(a.capsule(once));
    await mesh.settle();
    await a.restart();
    const view = await a.ended(id);
    expect(view).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    expect(view.receipt).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    expect(a.runsOf(id)).toBe(1);
    expect(await mesh.problems()).toEqual([]);
  });

  it('is not run again where no retries are left', async () => {
    for (const [maxRetries, runs, status] of [
      [0, 1, 'failed'],
      [1, 2, 'completed'],
    ] as const) {
      const mesh = new Mesh();
      const a = await mesh.add(alice, { offers: { 'work.wait': 0 } });
      const policy = { executionPolicy: { maxRetries } };
      const { id } = await a.submit(a.capsule({ ...once, requestedCapability: 'work.wait', ...policy }));
      await mesh.settle();
      await a.restart();
      expect((await a.ended(id)).status).toBe(status);
      expect(a.runsOf(id)).toBe(runs);
    }
  });

  it('elsewhere is told to its coordinator, who asks the next', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.once': 0 } });
    const { id } = await a.submit(a.capsule(once));
    await mesh.settle();
    const c = await mesh.add(carol, { offers: { 'work.once': 0 } });
    await b.restart();
    await mesh.settle();
    expect(b.record(id)).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: c.nodeId });
  });

  it('by an orderly stop goes on at the next start', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.wait': 0 } });
    const { id } = await a.submit(
      a.capsule({ ...once, requestedCapability: 'work.wait', payload: { ms: 60_000 } }),
    );
    await mesh.settle();
    await a.stop();
    await a.start();
    expect(a.status(id)).toBe('executing');
    expect((await a.ended(id)).status).toBe('completed');
    expect(await mesh.problems()).toEqual([]);
  });
});

describe('a coordinator that was restarted', () => {
  const wait = { requestedCapability: 'work.wait', payload: { ms: 20_000 } };

  it('asks the executor, and goes on with it', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    await mesh.add(carol, { offers: { 'work.wait': 0 } });
    const { id } = await a.submit(a.capsule(wait), { executor: b.nodeId });
    await mesh.settle();
    await a.restart();
    expect(await a.ended(id)).toMatchObject({
      status: 'completed',
      executor: b.nodeId,
      record: { epoch: 1 },
    });
    expect(b.runsOf(id)).toBe(1);
  });

  it('waits a little for an executor that is not there yet', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    const { id } = await a.submit(a.capsule(wait), { executor: b.nodeId });
    await mesh.settle();
    a.crash();
    mesh.hub.partition([a.nodeId], [b.nodeId]);
    await a.start();
    await mesh.advance(4_000);
    await mesh.heal();
    await mesh.advance(4_000);
    expect(a.record(id)).toMatchObject({ status: 'executing', executor: b.nodeId, epoch: 1 });
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: b.nodeId });
    expect(c.runs).toEqual([]);
  });

  it('gives the order anew to an executor that never had it', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    mesh.drop('capsule_data', { count: 1 });
    const { id } = await a.submit(a.capsule());
    await mesh.settle();
    await a.restart();
    // Time for one bid, since the market is empty after a restart.
    await mesh.advance(250);
    const view = await a.view(id);
    expect(view).toMatchObject({ status: 'completed', executor: b.nodeId, record: { attempts: 1 } });
  });

  it('still gives up in the end where nobody is found', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const { id } = await a.submit(a.capsule());
    await mesh.advance(5_000);
    await a.restart();
    await mesh.advance(11_000);
    expect(await a.view(id)).toMatchObject({ status: 'failed', error: { code: 'no_provider' } });
  });

  it('remembers who may execute and who has failed', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    const { id } = await a.submit(a.capsule(), { executor: bob.nodeId });
    await mesh.settle();
    await a.restart();
    await mesh.advance(3_000);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: b.nodeId });
  });
});

describe('a result', () => {
  it('reaches a submitter that was away when it was ready', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const paymentRule = { type: 'credit', amount: 1 } as const;
    const wait = { requestedCapability: 'work.wait', payload: { ms: 1_000 }, paymentRule };
    const { id } = await a.submit(a.capsule(wait));
    await mesh.settle();
    a.crash();
    await mesh.advance(30_000);
    expect(b.status(id)).toBe('completed');
    await a.start();
    expect(a.status(id)).toBe('completed');
    expect(b.result(id)?.settlement).not.toBeNull();
    expect(b.runsOf(id)).toBe(1);
    expect(await mesh.problems()).toEqual([]);
  });

  it('is delivered by an executor that died with it', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { exchange: { graceMs: 60_000 } });
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    b.crashAt('outcome.committed');
    const { id } = await a.submit(a.capsule());
    await mesh.settle();
    expect(a.status(id)).toBe('executing');
    await mesh.advance(20_000);
    await b.start();
    expect(a.status(id)).toBe('completed');
    expect(b.runsOf(id)).toBe(1);
  });

  it('is offered in growing pauses, and at once when its receiver is back', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const offered: number[] = [];
    mesh.filter((message) => {
      if (message.type !== 'capsule_result') return undefined;
      offered.push(mesh.clock.monotonic());
      return 'drop';
    });
    await a.submit(a.capsule({ payload: { ms: 1 }, executionPolicy: { maxRetries: 0 } }));
    await mesh.settle();
    await mesh.advance(120_000);
    const pauses = offered.slice(1).map((at, index) => (at - (offered[index] ?? 0)) / 1_000);
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32]);
    const count = offered.length;
    mesh.hub.disconnect(a.nodeId, b.nodeId);
    await mesh.connect();
    await mesh.settle();
    await mesh.advance(1);
    expect(offered).toHaveLength(count + 1);
  });

  it('of many is offered in turns, so that none keeps others from theirs', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const undo = mesh.drop('capsule_result');
    const ids: string[] = [];
    for (let n = 0; n < 150; n++) ids.push((await a.submit(a.capsule({ payload: { n, ms: 1 } }))).id);
    await mesh.advance(100);
    undo();
    // The first in the order of the store are refused for ever, and are more than a round offers.
    const lost = new Set(ids.sort().slice(0, 70));
    mesh.filter((message) => {
      return message.type === 'capsule_result' && lost.has(message.capsuleId) ? 'drop' : undefined;
    });
    await mesh.advance(20_000);
    expect(ids.filter((id) => a.status(id) === 'completed')).toHaveLength(80);
  });

  it('on its way is not offered again, however many follow', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    await mesh.add(bob, { offers: { 'work.echo': 0 } });
    let offered = 0;
    mesh.filter((message) => {
      if (message.type !== 'capsule_result') return undefined;
      offered++;
      return 900;
    });
    for (let n = 0; n < 10; n++) {
      await a.submit(a.capsule());
      await mesh.advance(950);
    }
    await mesh.advance(5_000);
    expect(offered).toBe(10);
  });
});
