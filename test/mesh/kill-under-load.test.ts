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

interface Kill {
  victims: readonly Name[];
  /** Events of the submitter before it. */
  after: number;
}

/** Less than a run has: two for each capsule and each next step. */
const MAX_EVENTS = 2 * CAPSULES;
/** Other kills than usual: `CAPSULE_TEST_SEED=5`, or several, with commas. */
const SEEDS = process.env.CAPSULE_TEST_SEED?.split(',').map(Number) ?? [2, 3, 8, 11];

/** Who dies and when is drawn from the seed: one node, or two of the three. */
function killOf(seed: number): Kill {
  const random = seededRandom(seed);
  const below = (count: number) => Math.floor(random() * count);
  const spared = NAMES[below(NAMES.length)];
  const able = NAMES.filter((name) => name !== spared);
  const chosen = able[below(able.length)];
  const victims = random() < 0.5 ? able : able.filter((name) => name === chosen);
  return { victims, after: 1 + below(MAX_EVENTS) };
}

const plans = SEEDS.map((seed) => ({ seed, ...killOf(seed) }));

describe('kill -9 under load, where a seed says', () => {
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

  it('draws the same for a seed each time, and everybody for some', () => {
    const drawn = Array.from({ length: 50 }, (_, seed) => killOf(seed));
    expect(drawn).toEqual(Array.from({ length: 50 }, (_, seed) => killOf(seed)));
    expect(new Set(drawn.map((kill) => JSON.stringify(kill))).size).toBeGreaterThan(40);
    expect(new Set(drawn.flatMap(({ victims }) => victims))).toEqual(new Set(NAMES));
  });

  it.each(plans)(
    'loses nothing and pays nothing twice (seed $seed: $victims after $after)',
    async ({ seed, victims, after }) => {
      const capsules = await Promise.all(Array.from({ length: CAPSULES }, (_, index) => load(seed, index)));
      const events = await node('submitter').follow('/api/events');
      const returned = killAndRestart(events, { victims, after });
      const submitted = capsules.map((capsule) =>
        submit(capsule, victims.includes('submitter') ? returned : null),
      );
      await Promise.all([returned, ...submitted]);
      const workflows: Workflow[] = [];
      for (const { id } of capsules) workflows.push(await node('submitter').workflowEnded(id));
      expect(workflows.filter(({ status }) => status !== 'completed')).toEqual([]);
      await expectSoundBooks([...nodes.values()], { disputes: true });
      await expectOneReceiptAccepted(workflows.flatMap(({ tree }) => stepsOf(tree)));
      await expectPaidOnce();
    },
  );

  /** Every third is followed by another step; all are paid. */
  function load(seed: number, index: number): Promise<Capsule> {
    const paymentRule = { type: 'credit', amount: PAID } as const;
    const step = { requestedCapability: 'test.echo', payloadTemplate: { after: '$result' }, paymentRule };
    return node('submitter').sign({
      requestedCapability: 'test.echo',
      payload: { seed, index },
      paymentRule,
      next: index % 3 === 0 ? [step] : null,
    });
  }

  /** Nobody submits again what was accepted: the nodes have to know of it. */
  async function submit(capsule: Capsule, returned: Promise<void> | null): Promise<void> {
    try {
      await node('submitter').submit(capsule);
    } catch (error) {
      if (returned === null) throw error;
      await returned;
      await node('submitter').submit(capsule);
    }
  }

  async function killAndRestart(events: AsyncIterable<unknown>, { victims, after }: Kill): Promise<void> {
    let left = after;
    for await (const _ of events) if (--left === 0) break;
    await Promise.all(victims.map((victim) => node(victim).kill()));
    for (const victim of victims) {
      const bootstrap = NAMES.filter((name) => name !== victim).map(node);
      nodes.set(victim, await cluster.restart(node(victim), { bootstrap }));
    }
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
