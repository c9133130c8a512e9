import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { COORDINATOR_FAULT_POINTS, EXECUTOR_FAULT_POINTS } from '../../src/exchange/fault-points.ts';
import { balanceOf, expectSoundBooks, receiptsOf } from '../support/books.ts';
import { Cluster, ECHO, fixedAddress, type RealNode } from '../support/cluster.ts';

const PAID = 3;
const CHILD_PAID = 2;
/** A dead node's work is looked for until it is back, however slow the machine. */
const PATIENT = { exchange: { searchMs: 120_000 } };

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
    const before = await balances();
    const capsule = await paidChain(point);
    await coordinator.dieAt(point);
    await Promise.all([coordinator.submit(capsule).catch(cutOff), coordinator.diedAt(point)]);
    coordinator = await cluster.restart(coordinator);
    await completedOnce(capsule, before);
  });

  it.each(EXECUTOR_FAULT_POINTS)('the executor at %s', async (point) => {
    const before = await balances();
    const capsule = await paidChain(point);
    await executor.dieAt(point);
    await Promise.all([coordinator.submit(capsule), executor.diedAt(point)]);
    executor = await cluster.restart(executor, { bootstrap: [coordinator] });
    await completedOnce(capsule, before);
  });

  /** A paid step, and a next one that counts how often it ran. */
  function paidChain(name: string): Promise<Capsule> {
    return coordinator.sign({
      requestedCapability: 'test.echo',
      payload: { name },
      paymentRule: { type: 'credit', amount: PAID },
      next: [
        {
          requestedCapability: 'test.count',
          payloadTemplate: { name: '$result.name' },
          paymentRule: { type: 'credit', amount: CHILD_PAID },
        },
      ],
    });
  }

  /** Submits again, as whoever got no answer would, and looks at everything that may not have happened twice. */
  async function completedOnce(capsule: Capsule, before: number[]): Promise<void> {
    expect(await coordinator.submit(capsule)).toBe(capsule.id);
    const workflow = await coordinator.workflowEnded(capsule.id);
    expect(workflow).toMatchObject({ status: 'completed', steps: 2 });
    const [child] = workflow.tree.children;
    expect(await coordinator.view(String(child?.id))).toMatchObject({ result: { count: 1 } });
    await expectSoundBooks([coordinator, executor]);
    for (const step of [workflow.tree, child]) {
      const executions = await receiptsOf(executor, String(step?.id), 'completed');
      expect(executions.map(({ receiptHash }) => receiptHash)).toEqual([step?.receiptHash]);
    }
    const total = PAID + CHILD_PAID;
    expect(await balances()).toEqual([(before[0] ?? 0) - total, (before[1] ?? 0) + total]);
  }

  function balances(): Promise<number[]> {
    return Promise.all([balanceOf(coordinator), balanceOf(executor)]);
  }
});

function cutOff(): void {
  // The answer died with the node.
}
