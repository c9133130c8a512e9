import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NextStep } from '../../../protocols/capsule/v1/schema.ts';
import type { ExchangeMessage } from '../../../protocols/messages/v1/schema.ts';
import { verifyReceipt } from '../../../src/capsule/receipt.ts';
import { COORDINATOR_FAULT_POINTS, EXECUTOR_FAULT_POINTS } from '../../../src/exchange/fault-points.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { alice, bob, carol } from '../../support/keys.ts';
import { Mesh, type TestNode } from '../../support/mesh.ts';

const CAPABILITIES = ['work.echo', 'work.wait', 'work.once', 'work.fail'];
const MESSAGES = [
  'capsule_data',
  'capsule_accept',
  'capsule_progress',
  'capsule_result',
  'capsule_settlement',
  'capsule_decline',
  'capsule_result_request',
  'capsule_cancel',
] as const satisfies ExchangeMessage['type'][];

const node = fc.integer({ min: 0, max: 2 });
const step: fc.Arbitrary<NextStep> = fc.letrec<{ step: NextStep }>((tie) => ({
  step: fc.record(
    {
      requestedCapability: fc.constantFrom(...CAPABILITIES),
      payloadTemplate: fc.constantFrom(
        { text: '$result.text', ms: 300 },
        { text: '$result.text' },
        { ms: 2_500, text: 'y' },
      ),
      next: fc.oneof(
        { maxDepth: 2 },
        fc.constant(null),
        fc.array(tie('step'), { minLength: 1, maxLength: 2 }),
      ),
    },
    { requiredKeys: ['requestedCapability', 'payloadTemplate', 'next'] },
  ),
})).step;

type Act =
  | { do: 'submit'; by: number; first: NextStep; paid: boolean; byExecutor: boolean }
  | { do: 'cancel'; which: number }
  | { do: 'crash'; who: number }
  | {
      do: 'crashAt';
      who: number;
      point: (typeof COORDINATOR_FAULT_POINTS | typeof EXECUTOR_FAULT_POINTS)[number];
    }
  | { do: 'start'; who: number }
  | { do: 'stop'; who: number }
  | { do: 'isolate'; who: number }
  | { do: 'heal' }
  | { do: 'drop'; type: (typeof MESSAGES)[number]; count: number }
  | { do: 'wait'; ms: number };

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      by: node,
      first: step,
      paid: fc.boolean(),
      byExecutor: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat({ max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), who: node }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('crashAt' as const),
      who: node,
      point: fc.constantFrom(...COORDINATOR_FAULT_POINTS.slice(2), ...EXECUTOR_FAULT_POINTS),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('start' as const), who: node }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const), who: node }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('isolate' as const), who: node }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('heal' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('drop' as const),
      type: fc.constantFrom(...MESSAGES),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(10, 400, 2_500, 9_000) }),
  },
);

/** Three nodes that offer different things at different prices, and what is done to them. */
class World {
  readonly mesh = new Mesh();
  readonly roots: { id: string; by: TestNode }[] = [];

  async begin(): Promise<void> {
    await this.mesh.add(alice, { offers: { 'work.echo': 2, 'work.once': 2 } });
    await this.mesh.add(bob, { offers: { 'work.echo': 0, 'work.wait': 1, 'work.fail': 0 } });
    await this.mesh.add(carol, { offers: { 'work.wait': 0, 'work.once': 1 } });
  }

  async perform(act: Act): Promise<void> {
    const { mesh } = this;
    switch (act.do) {
      case 'submit':
        return this.#submit(this.#node(act.by), act);
      case 'cancel':
        return this.#cancel(this.roots[act.which]);
      case 'crash':
        return this.#node(act.who).crash();
      case 'crashAt':
        return this.#node(act.who).crashAt(act.point);
      case 'start':
        if (!this.#node(act.who).isAlive) await this.#node(act.who).start();
        return;
      case 'stop':
        return this.#node(act.who).stop();
      case 'isolate': {
        const { nodeId } = this.#node(act.who);
        return mesh.hub.partition(
          [nodeId],
          mesh.nodes.map((other) => other.nodeId).filter((id) => id !== nodeId),
        );
      }
      case 'heal':
        return mesh.heal();
      case 'drop':
        return void mesh.drop(act.type, { count: act.count });
      case 'wait':
        return mesh.advance(act.ms);
    }
  }

  /** All are back, nothing is lost any more, and time passes. */
  async recover(): Promise<void> {
    const { mesh } = this;
    mesh.dropNothing();
    for (const each of mesh.nodes) {
      each.crashNowhere();
      if (!each.isAlive) await each.start();
    }
    await mesh.heal();
    for (let minutes = 0; minutes < 10 && (await this.open()).length > 0; minutes++)
      await mesh.advance(60_000);
    await mesh.advance(120_000);
  }

  /** What has not ended anywhere, as sentences. */
  async open(): Promise<string[]> {
    const found: string[] = [];
    for (const each of this.mesh.nodes) {
      for await (const { id, status, coordinator, life } of each.life.capsules.open()) {
        const by = this.mesh.nodes.find(({ nodeId }) => nodeId === coordinator)?.name;
        const roles = `${life.care?.phase.kind ?? 'no care'}, ${life.work?.kind ?? 'no work'}`;
        found.push(`${each.name}: ${id.slice(0, 8)} is ${status} (${roles}), coordinated by ${by}`);
      }
    }
    return found;
  }

  /** Too late for some, and not confirmed where its node dies of it. */
  async #cancel(root: World['roots'][number] | undefined): Promise<void> {
    if (root === undefined || !root.by.isAlive) return;
    const { by, id } = root;
    const cancelling = by.exchange.cancel(id).catch(() => {});
    await Promise.race([cancelling, by.life.ended]);
  }

  async #submit(by: TestNode, { first, paid, byExecutor }: Extract<Act, { do: 'submit' }>): Promise<void> {
    if (!by.isAlive) return;
    const capsule = by.capsule({
      requestedCapability: first.requestedCapability,
      payload: { text: 'x', n: this.roots.length, ms: 200 },
      paymentRule: paid ? { type: 'credit', amount: 2 } : null,
      executionPolicy: byExecutor ? { continueAt: 'executor' } : null,
      next: first.next ?? null,
    });
    // Accepted is what was said to be accepted; what died before may be lost.
    const submitted = await by.submit(capsule).then(
      () => true,
      () => false,
    );
    if (submitted) this.roots.push({ id: capsule.id, by });
  }

  #node(index: number): TestNode {
    const found = this.mesh.nodes[index];
    if (found === undefined) throw new Error(`There is no node ${index}`);
    return found;
  }
}

/** Everything under a root that the node knows of. */
function family(by: TestNode, id: string): string[] {
  const steps = by.record(id)?.steps ?? [];
  return [id, ...steps.flatMap(({ child }) => (child === null ? [] : family(by, child)))];
}

function expectSound({ mesh, roots }: World): void {
  for (const { id, by } of roots) {
    const ids = family(by, id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const each of ids) {
      const record = by.record(each);
      const stored = by.result(each);
      const capsule = by.life.capsules.get(each);
      expect(['completed', 'failed']).toContain(record?.status);
      if (record?.status !== 'completed') continue;
      expect(verifyReceipt(nodeCrypto, stored?.receipt).ok).toBe(true);
      expect(record.steps).toHaveLength(capsule?.next?.length ?? 0);
      for (const { child, error } of record.steps) expect(child === null).toBe(error !== null);
      // The node that holds the accepted receipt knows it as such.
      const executor = mesh.nodes.find(({ nodeId }) => nodeId === record.executor);
      expect(executor?.result(each)?.receipt).toEqual(stored?.receipt);
    }
  }
  for (const each of mesh.nodes) {
    // An executor is done with each of its leases; the capsule ends once, where it was submitted.
    const ends = each.events.flatMap((event) => {
      if (event.type !== 'done') return [];
      const owned = each.record(event.capsuleId)?.submitter === each.nodeId;
      return owned || event.status === 'completed' ? [event.capsuleId] : [];
    });
    expect(new Set(ends).size).toBe(ends.length);
  }
  // At most once on all nodes together, where twice may do harm.
  const once = mesh.nodes
    .flatMap(({ runs }) => runs)
    .filter(({ capability }) => capability === 'work.once')
    .map(({ raw }) => raw);
  expect(new Set(once).size).toBe(once.length);
}

describe('whatever is done to three nodes', () => {
  it('every capsule ends, is accepted and paid at most once, and continued once', {
    timeout: 300_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 4, maxLength: 16 }), async (acts) => {
        const world = new World();
        await world.begin();
        for (const each of acts) await world.perform(each);
        await world.recover();
        expect(await world.open()).toEqual([]);
        expectSound(world);
        expect(await world.mesh.problems()).toEqual([]);
      }),
      {
        seed: Number(process.env.SCHEDULE_SEED ?? 20_260_101),
        numRuns: Number(process.env.SCHEDULE_RUNS ?? 40),
      },
    );
  });
});
