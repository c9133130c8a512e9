import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { Workflow, WorkflowNode } from '../../src/workflow/types.ts';
import { balanceOf, disputedBy, expectSoundBooks, receiptsOf } from '../support/books.ts';
import { Cluster, ECHO, fixedAddress, type RealNode } from '../support/cluster.ts';
import { seededRandom } from '../support/random.ts';

const CAPSULES = 30;
const PAID = 2;
/** So short that a provider which comes back finds its work done elsewhere, and so patient that all is found. */
const EXCHANGE = { graceMs: 300, searchMs: 120_000 };
const NAMES = ['submitter', 'first', 'second'] as const;
type Name = (typeof NAMES)[number];

describe('kill -9 at random moments under load', () => {
  const cluster = new Cluster();
  const nodes = new Map<Name, RealNode>();
  const node = (name: Name): RealNode => {
    const found = nodes.get(name);
    if (found === undefined) throw new Error(`${name} was not started`);
    return found;
  };

  beforeAll(async () => {
    const provider = async (): Promise<RealNode> =>
      cluster.start({ capabilities: [ECHO], listen: await fixedAddress() });
    nodes.set('first', await provider());
    nodes.set('second', await provider());
    const bootstrap = [node('first'), node('second')];
    const listen = await fixedAddress();
    nodes.set('submitter', await cluster.start({ bootstrap, listen, config: { exchange: EXCHANGE } }));
    for (const name of ['first', 'second'] as const) await node('submitter').knows(node(name), 'test.echo');
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  it.each([
    { seed: 1, victims: ['first'] },
    { seed: 2, victims: ['submitter'] },
    { seed: 3, victims: ['second', 'submitter'] },
    { seed: 4, victims: ['first', 'second'] },
  ] as const)('loses nothing and pays nothing twice: $victims', async ({ seed, victims }) => {
    const capsules = await Promise.all(Array.from({ length: CAPSULES }, (_, index) => load(index)));
    const ends = 1 + Math.floor(seededRandom(seed)() * CAPSULES);
    await Promise.all([killAfter(ends, victims), submitAll(capsules)]);
    for (const victim of victims) await restart(victim);
    await submitAll(capsules);
    const workflows: Workflow[] = [];
    for (const { id } of capsules) workflows.push(await node('submitter').workflowEnded(id));
    expect(workflows.filter(({ status }) => status !== 'completed')).toEqual([]);
    await expectSoundBooks([...nodes.values()], { disputes: true });
    await expectOneReceiptAccepted(workflows.flatMap(({ tree }) => stepsOf(tree)));
    await expectPaidOnce();
  });

  /** Every third is followed by another step; all are paid. */
  function load(index: number): Promise<Capsule> {
    const paymentRule = { type: 'credit', amount: PAID } as const;
    const step = { requestedCapability: 'test.echo', payloadTemplate: { after: '$result' }, paymentRule };
    return node('submitter').sign({
      requestedCapability: 'test.echo',
      payload: { index, random: Math.random() },
      paymentRule,
      next: index % 3 === 0 ? [step] : null,
    });
  }

  /** Kills once the submitter has seen so many capsules end. */
  async function killAfter(ends: number, victims: readonly Name[]): Promise<void> {
    let left = ends;
    for await (const { type } of await node('submitter').follow('/api/events')) {
      if (type === 'done' && --left === 0) break;
    }
    await Promise.all(victims.map((victim) => node(victim).kill()));
  }

  async function submitAll(capsules: readonly Capsule[]): Promise<void> {
    await Promise.allSettled(capsules.map((capsule) => node('submitter').submit(capsule)));
  }

  async function restart(victim: Name): Promise<void> {
    const bootstrap = NAMES.filter((name) => name !== victim).map(node);
    nodes.set(victim, await cluster.restart(node(victim), { bootstrap }));
  }

  async function expectOneReceiptAccepted(steps: readonly WorkflowNode[]): Promise<void> {
    for (const { id, executor, receiptHash } of steps) {
      const by = [...nodes.values()].find(({ nodeId }) => nodeId === executor);
      if (by === undefined) throw new Error(`${String(id)} was executed by nobody`);
      const receipts = await receiptsOf(by, String(id), 'completed');
      expect(receipts.map((receipt) => receipt.receiptHash)).toEqual([receiptHash]);
    }
  }

  /** What completed at the submitter, and nothing else, is what it owes, and what the others have but for what is disputed. */
  async function expectPaidOnce(): Promise<void> {
    const { capsules } = await node('submitter').get<{ capsules: { completed: number } }>('/api/node');
    const owed = capsules.completed * PAID;
    expect(await balanceOf(node('submitter'))).toBe(-owed);
    let earned = 0;
    for (const name of ['first', 'second'] as const)
      earned += (await balanceOf(node(name))) - (await disputedBy(node(name), node('submitter'))) / 1_000_000;
    expect(earned).toBe(owed);
  }
});

function stepsOf(node: WorkflowNode): WorkflowNode[] {
  return [node, ...node.children.flatMap(stepsOf)];
}
