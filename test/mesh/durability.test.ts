import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Capsule, NextStep } from '../../protocols/capsule/v1/schema.ts';
import { COORDINATOR_FAULT_POINTS, EXECUTOR_FAULT_POINTS } from '../../src/exchange/fault-points.ts';
import type { WorkflowNode } from '../../src/workflow/types.ts';
import { balanceOf, expectSoundBooks, receiptsOf } from '../support/books.ts';
import { Cluster, ECHO, fixedAddress, type RealNode } from '../support/cluster.ts';

const PAID = 3;
const CHILD_PAID = 2;
/** A dead node's work is looked for until it is back, however slow the machine. */
const PATIENT = { exchange: { graceMs: 500, announceIntervalMs: 200, searchMs: 120_000 } };
/**
 * Slower than any disk. Work that may run twice starts while its order is being stored, and where it is quick, both end
 * in one batch and nothing is accepted apart from the result.
 */
const SLOW = { requestedCapability: 'test.slow', payload: { steps: 4_000 } };
const isAcceptance = (point: string): boolean => point.startsWith('accept.');
/** Where the order is on the disk before the work is done. */
const SLOW_FAULT_POINTS = ['order.stored', 'accept.sent', 'run.finished', 'outcome.committed'];
/** Inside one run, where the engine passes on its way. */
const ENGINE_FAULT_POINTS = ['intent.accepted', 'intent.executed', 'intent.concluded', 'intent.durable'];

const cluster = new Cluster();
afterAll(() => cluster[Symbol.asyncDispose]());

describe('a node that dies between two steps', () => {
  let coordinator: RealNode;
  let executor: RealNode;

  beforeAll(async () => {
    executor = await cluster.start({ capabilities: [ECHO], listen: await fixedAddress(), faults: true });
    coordinator = await cluster.start({
      bootstrap: [executor],
      listen: await fixedAddress(),
      faults: true,
      config: PATIENT,
    });
    await coordinator.knows(executor, 'test.echo');
  });

  it.each(COORDINATOR_FAULT_POINTS)('the coordinator at %s', async (point) => {
    const { capsule, before } = await paidChain({ name: point, slow: isAcceptance(point) });
    await coordinator.dieAt(point);
    await Promise.all([coordinator.submit(capsule).catch(cutOff), coordinator.diedAt(point)]);
    coordinator = await cluster.restart(coordinator);
    const child = await completedOnce(capsule, before);
    expect(child.result).toEqual({ count: 1 });
  });

  it.each([
    ...[...EXECUTOR_FAULT_POINTS, ...ENGINE_FAULT_POINTS]
      .filter((point) => !isAcceptance(point))
      .map((point) => ({ point, work: 'quick' })),
    ...SLOW_FAULT_POINTS.map((point) => ({ point, work: 'slow' })),
  ])('the executor at $point of $work work', async ({ point, work }) => {
    const { capsule, before } = await paidChain({ name: `${work} ${point}`, slow: work === 'slow' });
    await executor.dieAt(point);
    await Promise.all([coordinator.submit(capsule), executor.diedAt(point)]);
    executor = await cluster.restart(executor, { bootstrap: [coordinator] });
    const child = await completedOnce(capsule, before);
    expect(child.result).toEqual({ count: 1 });
  });

  it.each(['order.sent', 'result.received', 'result.committed', 'settlement.sent'])(
    'the coordinator at %s of the next step',
    async (point) => {
      const { capsule, before } = await paidChain({ name: point, next: 'test.echo' });
      await coordinator.dieAt(point, 2);
      await Promise.all([coordinator.submit(capsule), coordinator.diedAt(point)]);
      coordinator = await cluster.restart(coordinator);
      await completedOnce(capsule, before);
    },
  );

  it.each([
    'run.finished',
    'outcome.committed',
    'result.sent',
    'settlement.received',
    'settlement.committed',
  ])('the executor at %s of the next step', async (point) => {
    const { capsule, before } = await paidChain({ name: point, next: 'test.echo' });
    await executor.dieAt(point, 2);
    await Promise.all([coordinator.submit(capsule), executor.diedAt(point)]);
    executor = await cluster.restart(executor, { bootstrap: [coordinator] });
    await completedOnce(capsule, before);
  });

  it('ends what must not be run again as interrupted, unpaid and without a trace', async () => {
    const before = await balances();
    const count = (name: string) =>
      coordinator.sign({
        requestedCapability: 'test.count',
        payload: { name },
        paymentRule: { type: 'credit', amount: PAID },
        executionPolicy: { maxRetries: 0 },
      });
    const capsule = await count('interrupted');
    await executor.dieAt('run.finished');
    await Promise.all([coordinator.submit(capsule), executor.diedAt('run.finished')]);
    executor = await cluster.restart(executor, { bootstrap: [coordinator] });
    const ended = await coordinator.ended(capsule.id);
    expect(ended).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    await expectSoundBooks([coordinator, executor]);
    expect(await balances()).toEqual(before);
    expect(await receiptsOf(executor, capsule.id, 'completed')).toEqual([]);
    expect(await receiptsOf(executor, capsule.id, 'failed')).toHaveLength(1);
    const again = await count('interrupted');
    await coordinator.submit(again);
    expect(await coordinator.ended(again.id)).toMatchObject({ result: { count: 1 } });
  });

  it('where it is the only one, and does everything itself', async () => {
    let node = await cluster.start({ capabilities: [ECHO], faults: true });
    for (const point of ['submit.validated', 'submit.stored', 'run.finished', 'outcome.committed']) {
      const capsule = await node.sign({
        requestedCapability: 'test.echo',
        payload: { name: point },
        next: [{ requestedCapability: 'test.count', payloadTemplate: { name: '$result.name' } }],
      });
      await node.dieAt(point);
      await Promise.all([node.submit(capsule).catch(cutOff), node.diedAt(point)]);
      node = await cluster.restart(node);
      await node.submit(capsule);
      const { tree } = await node.workflowEnded(capsule.id);
      expect(tree).toMatchObject({ status: 'completed', children: [{ status: 'completed' }] });
      expect((await node.view(childOf(tree))).result).toEqual({ count: 1 });
      expect(await receiptsOf(node, capsule.id, 'completed')).toHaveLength(1);
      await expectSoundBooks([node]);
    }
  });

  /** A paid step, and a next one that counts how often it ran. */
  async function paidChain(options: {
    name: string;
    slow?: boolean;
    next?: string;
  }): Promise<{ capsule: Capsule; before: number[] }> {
    const step: NextStep = {
      requestedCapability: options.next ?? 'test.count',
      payloadTemplate: { name: options.name },
      paymentRule: { type: 'credit', amount: CHILD_PAID },
    };
    const capsule = await coordinator.sign({
      ...(options.slow ? SLOW : { requestedCapability: 'test.echo', payload: { name: options.name } }),
      paymentRule: { type: 'credit', amount: PAID },
      next: [step],
    });
    return { capsule, before: await balances() };
  }

  /** Submits again, as whoever got no answer would; everything has happened, and nothing twice. Gives the child. */
  async function completedOnce(capsule: Capsule, before: number[]) {
    expect(await coordinator.submit(capsule)).toBe(capsule.id);
    const workflow = await coordinator.workflowEnded(capsule.id);
    expect(workflow).toMatchObject({ status: 'completed', steps: 2 });
    await expectSoundBooks([coordinator, executor]);
    for (const step of [workflow.tree, ...workflow.tree.children]) {
      const executions = await receiptsOf(executor, String(step.id), 'completed');
      expect(executions.map(({ receiptHash }) => receiptHash)).toEqual([step.receiptHash]);
    }
    const total = PAID + CHILD_PAID;
    expect(await balances()).toEqual([(before[0] ?? 0) - total, (before[1] ?? 0) + total]);
    return coordinator.view(childOf(workflow.tree));
  }

  function balances(): Promise<number[]> {
    return Promise.all([balanceOf(coordinator), balanceOf(executor)]);
  }
});

function childOf({ children }: WorkflowNode): string {
  const id = children[0]?.id;
  if (typeof id !== 'string') throw new Error('The step has no child');
  return id;
}

function cutOff(): void {
  // The answer died with the node; whoever asked asks again.
}
