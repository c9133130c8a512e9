import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { verifyReceipt } from '../../../src/capsule/receipt.ts';
import {
  COORDINATOR_FAULT_POINTS,
  EXECUTOR_FAULT_POINTS,
  type FaultPoint,
} from '../../../src/exchange/fault-points.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { alice, bob, carol } from '../../support/keys.ts';
import { Mesh, type TestNode } from '../../support/mesh.ts';

const STEP = 'work.wait';

/** Alice asks and pays, Bob executes the first step and Carol the second. Alice coordinates both. */
async function trio(payload: JsonObject = { text: 'x' }) {
  const capsuleOf = (a: TestNode) =>
    a.capsule({ payload, paymentRule: { type: 'credit', amount: 3 }, next: [secondStep(payload)] });
  return { ...(await three()), capsuleOf, paid: 3 };
}

/** The same for nothing, and Bob coordinates the second step. */
async function handedOn(payload: JsonObject = { text: 'x' }) {
  const capsuleOf = (a: TestNode) =>
    a.capsule({ payload, executionPolicy: { continueAt: 'executor' }, next: [secondStep(payload)] });
  return { ...(await three(0)), capsuleOf, paid: 0 };
}

const secondStep = ({ ms = null }: JsonObject) => ({
  requestedCapability: STEP,
  payloadTemplate: { text: '$result.text', ...(ms !== null && { ms }) },
});

async function three(price = 1) {
  const mesh = new Mesh();
  const a = await mesh.add(alice);
  const b = await mesh.add(bob, { offers: { 'work.echo': price } });
  const c = await mesh.add(carol, { offers: { [STEP]: price } });
  return { mesh, a, b, c };
}

type Chain = Awaited<ReturnType<typeof trio>>;

/** What must hold whatever died: all done, paid once, continued once, proven, and agreed upon. */
async function expectAllWell({ mesh, a, b, c, paid }: Chain, id: string): Promise<void> {
  await a.workflowEnded(id);
  await mesh.advance(70_000);
  expect(a.tree(id)).toEqual(['completed', 'completed']);
  const child = a.record(id)?.steps[0]?.child ?? '';
  for (const [capsuleId, executor] of [
    [id, b],
    [child, c],
  ] as const) {
    const accepted = a.result(capsuleId)?.receipt;
    expect(verifyReceipt(nodeCrypto, accepted).ok).toBe(true);
    expect(executor.status(capsuleId)).toBe('completed');
    expect(executor.result(capsuleId)?.receipt).toEqual(accepted);
    const settlement = { receiptHash: accepted?.receiptHash, amount: paid };
    if (paid > 0) expect(executor.result(capsuleId)?.settlement).toMatchObject(settlement);
  }
  const micro = paid * 1_000_000;
  expect([a.balance(alice), a.balance(bob), a.balance(carol)]).toEqual([0 - 2 * micro, micro, micro]);
  // Nothing is left to do.
  for (const node of [a, b, c]) {
    for (const capsuleId of [id, child]) expect(node.record(capsuleId)?.open ?? false).toBe(false);
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

/** A death, and the n-th passing of the point at which it comes. */
type Death = [point: FaultPoint, who: 'a' | 'b' | 'c', occurrence: number];

const AS_COORDINATOR = COORDINATOR_FAULT_POINTS.filter((point) => !point.startsWith('submit'));

async function survives(
  make: (payload?: JsonObject) => Promise<Chain>,
  [point, who, occurrence]: Death,
  downMs: number,
): Promise<void> {
  // What is done at once is never said to be accepted: its result says so.
  const nodes = await make(/accept|order.stored/.test(point) ? { text: 'x', ms: 1 } : undefined);
  const { mesh, a, capsuleOf } = nodes;
  const capsule = capsuleOf(a);
  const victim = nodes[who];
  victim.crashAt(point, occurrence);
  await submitUnlessItDies(a, capsule);
  await mesh.until(() => !victim.isAlive, 'the death');
  await mesh.advance(downMs);
  await victim.start();
  // Only what was refused, or never said to be accepted, is handed in again; for the rest that changes nothing.
  await a.submit(capsule);
  await expectAllWell(nodes, capsule.id);
}

describe('a node that dies between two steps', () => {
  const deaths: Death[] = [
    ...COORDINATOR_FAULT_POINTS.map((point): Death => [point, 'a', 1]),
    ...EXECUTOR_FAULT_POINTS.map((point): Death => [point, 'b', 1]),
    // As the coordinator of the second step.
    ...AS_COORDINATOR.map((point): Death => [point, 'a', 2]),
    ...EXECUTOR_FAULT_POINTS.map((point): Death => [point, 'c', 1]),
  ];
  for (const death of deaths) {
    const [point, who, occurrence] = death;
    for (const downMs of [100, 6_000]) {
      it(`${who} at ${point}, the ${occurrence}. time, for ${downMs} ms`, () =>
        survives(trio, death, downMs));
    }
  }

  it('and all others at the same time', async () => {
    for (const point of ['order.sent', 'result.committed', 'settlement.sent'] as const) {
      const nodes = await trio();
      const { mesh, a, b, c, capsuleOf } = nodes;
      const capsule = capsuleOf(a);
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
    const { mesh, a, b, capsuleOf } = nodes;
    const capsule = capsuleOf(a);
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

describe('a node that dies in a chain which its executor continues', () => {
  const deaths: Death[] = [
    ...COORDINATOR_FAULT_POINTS.map((point): Death => [point, 'a', 1]),
    ...EXECUTOR_FAULT_POINTS.map((point): Death => [point, 'b', 1]),
    // Bob as the coordinator of the second step.
    ...AS_COORDINATOR.map((point): Death => [point, 'b', 1]),
    ...EXECUTOR_FAULT_POINTS.map((point): Death => [point, 'c', 1]),
  ];
  for (const death of deaths) {
    const [point, who] = death;
    for (const downMs of [100, 6_000]) {
      it(`${who} at ${point}, for ${downMs} ms`, () => survives(handedOn, death, downMs));
    }
  }
});

describe('an execution that was interrupted', () => {
  const once = { requestedCapability: 'work.once', payload: { ms: 5_000 } };

  it('is run again under the same lease where that does no harm, though it asked for no retries', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.wait': 0 } });
    const policy = { executionPolicy: { maxRetries: 0 } };
    const { id } = await a.submit(a.capsule({ ...once, requestedCapability: 'work.wait', ...policy }));
    await mesh.settle();
    await a.restart();
    expect(await a.ended(id)).toMatchObject({ status: 'completed', record: { attempts: 1, epoch: 1 } });
    expect(a.runsOf(id)).toBe(2);
  });

  it('a second time is not run again there, since the work itself may be what ends the node', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const { id } = await a.submit(a.capsule({ ...once, requestedCapability: 'work.wait' }));
    await mesh.settle();
    await b.restart();
    await mesh.settle();
    expect(b.status(id)).toBe('executing');
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    await b.restart();
    await mesh.settle();
    expect(b.record(id)).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    expect(await a.ended(id)).toMatchObject({
      status: 'completed',
      executor: c.nodeId,
      record: { attempts: 2 },
    });
    expect(b.runsOf(id)).toBe(2);
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

  it('elsewhere is told to its coordinator, and not given to another where it may do harm', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.once': 0 } });
    const { id } = await a.submit(a.capsule(once));
    await mesh.settle();
    const c = await mesh.add(carol, { offers: { 'work.once': 0 } });
    await b.restart();
    await mesh.settle();
    expect(b.record(id)).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    expect(await a.ended(id)).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    expect(c.runs).toEqual([]);
  });

  it('is not begun by a node that is stopping, and what it is at is still heard of', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const wait = (ms: number) => a.capsule({ requestedCapability: 'work.wait', payload: { ms } });
    const { id: running } = await a.submit(wait(2_000), { executor: b.nodeId });
    await mesh.settle();
    const stopping = b.exchange.stop();
    const { id } = await a.submit(wait(1));
    await mesh.settle();
    expect(a.status(id)).toBe('announced');
    await mesh.advance(2_000);
    expect(await a.view(running)).toMatchObject({ status: 'completed', executor: b.nodeId });
    await stopping;
    expect(b.runsOf(id)).toBe(0);
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

  it('and orders again of the same executor goes on with the run that is under way', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const long = { requestedCapability: 'work.wait', payload: { ms: 80_000 } };
    const { id } = await a.submit(a.capsule(long));
    await mesh.settle();
    const undo = mesh.drop('capsule_accept');
    await a.restart();
    await mesh.advance(9_000);
    undo();
    expect(a.record(id)).toMatchObject({ epoch: 2 });
    expect(await a.ended(id)).toMatchObject({ status: 'completed', record: { epoch: 2, attempts: 2 } });
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

  it('takes the result of an executor that it could not reach, and that had the order of its earlier life', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 1 } });
    const c = await mesh.add(carol, { offers: { 'work.wait': 1 } });
    const undo = mesh.filter((_, { to }) => (to === a.nodeId ? 'drop' : undefined));
    const paymentRule = { type: 'credit', amount: 1 } as const;
    const { id } = await a.submit(a.capsule({ ...wait, paymentRule }));
    await mesh.settle();
    undo();
    const [first, second] = b.runsOf(id) === 1 ? [b, c] : [c, b];
    a.crash();
    mesh.hub.partition([a.nodeId], [first.nodeId]);
    await a.start();
    await mesh.advance(6_000);
    await mesh.heal();
    expect([first.runsOf(id), second.runsOf(id)]).toEqual([1, 1]);
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: first.nodeId });
    await mesh.settle();
    expect(first.result(id)?.settlement).not.toBeNull();
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
    await mesh.advance(60_000);
    await a.restart();
    await mesh.advance(59_000);
    expect(a.status(id)).toBe('announced');
    await mesh.advance(1_000);
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
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    b.crashAt('outcome.committed');
    const { id } = await a.submit(a.capsule());
    await mesh.settle();
    expect(a.status(id)).toBe('executing');
    await mesh.advance(20_000);
    await b.start();
    await mesh.advance(1);
    expect(a.status(id)).toBe('completed');
    expect(b.runsOf(id)).toBe(1);
  });

  it('is told to nobody before it is on the disk, not even where its order is stored meanwhile', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const told: string[] = [];
    mesh.filter(({ type }, { from }) => {
      if (from === b.nodeId) told.push(type);
      return undefined;
    });
    const goOn = b.stallDisk();
    const { id } = await a.submit(a.capsule());
    await mesh.settle();
    expect(b.runsOf(id)).toBe(1);
    await a.life.network.send(b.nodeId, { type: 'capsule_result_request', capsuleId: id, epoch: 1 });
    await mesh.settle();
    expect(told).toEqual([]);
    goOn();
    await mesh.settle();
    expect(told).toContain('capsule_result');
    expect(a.status(id)).toBe('completed');
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
