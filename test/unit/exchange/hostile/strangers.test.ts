import { describe, expect, it } from 'vitest';
import { nodeIdOf } from '../../../../src/capsule/identity.ts';
import { createSigner } from '../../../../src/lib/crypto.ts';
import { nodeCrypto } from '../../../../src/lib/crypto-node.ts';
import {
  acceptance,
  capsuleBy,
  freeBy,
  leaseBy,
  OFFER,
  ordered,
  orderOf,
  progress,
  target,
} from '../../../support/hostile.ts';
import type { TestKey } from '../../../support/keys.ts';
import { alice, bob, carol, mallory } from '../../../support/keys.ts';
import { Mesh, type Stranger, type TestNode } from '../../../support/mesh.ts';

/** An identity of no other test. */
function keyNumber(n: number): TestKey {
  const seed = new Uint8Array(32);
  new DataView(seed.buffer).setUint32(0, n + 1);
  const signer = createSigner(nodeCrypto, seed);
  return { seed, signer, identity: signer.identity, nodeId: nodeIdOf(signer.identity) };
}

/** So many orders of one peer, each as soon as the stream takes it. */
async function flood(mesh: Mesh, b: TestNode, m: Stranger, count: number, ms: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    const capsule = freeBy(mesh, m.key, { payload: { ms, n } });
    ids.push(capsule.id);
    await m.network.send(b.nodeId, orderOf(capsule, leaseBy(mesh, capsule, b, m.key)));
    if (n % 64 === 63) await mesh.settle();
  }
  await mesh.settle();
  return ids;
}

describe('a stranger', () => {
  it("cannot keep another's run alive, nor put words into its mouth", async () => {
    const { a, mesh, m, id } = await ordered({ executionPolicy: { maxRetries: 0 } });
    const other = await mesh.stranger(carol);
    await m.say(a, acceptance(id));
    await m.say(a, progress(id, 0, 'mine'));
    for (let n = 0; n < 5; n++) {
      await other.say(a, progress(id, n, 'not mine'));
      await other.say(a, acceptance(id));
      await mesh.advance(7_000);
    }
    expect(a.status(id)).toBe('failed');
    expect(a.eventsOf(id).flatMap((event) => ('delta' in event ? [event.delta] : []))).toEqual(['mine']);
  });

  it('cannot cancel', async () => {
    const { a, mesh, id } = await ordered();
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const other = await mesh.stranger(carol);
    const running = await b.submit(b.capsule({ requestedCapability: 'work.wait', payload: { ms: 500 } }));
    await mesh.settle();
    for (const [node, capsuleId] of [
      [a, id],
      [b, running.id],
    ] as const) {
      await other.say(node, { type: 'capsule_cancel', capsuleId, epoch: 1 });
    }
    expect(other.of('capsule_decline')).toMatchObject([{ code: 'not_found' }, { code: 'not_found' }]);
    expect(a.status(id)).toBe('executing');
    expect((await b.ended(running.id)).status).toBe('completed');
  });

  it('learns nothing about capsules that it has no part in', async () => {
    const { a, mesh, id } = await ordered();
    const other = await mesh.stranger(carol);
    for (const capsuleId of [id, 'ab'.repeat(32)]) {
      await other.say(a, { type: 'capsule_result_request', capsuleId, epoch: 1 });
      await other.say(a, { type: 'capsule_progress_request', capsuleId, epoch: 1, from: 0 });
    }
    const said = other.of('capsule_decline').map(({ code, message }) => ({ code, message }));
    expect(said).toHaveLength(2);
    expect(said[0]).toEqual(said[1]);
    expect(other.of('capsule_progress')).toEqual([]);
  });

  it('is not told the text of a run that it did not submit', async () => {
    const { mesh, b, m } = await target();
    const capsule = freeBy(mesh, mallory, { payload: { ms: 60_000 } });
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob)));
    const other = await mesh.stranger(carol);
    const question = { type: 'capsule_progress_request', capsuleId: capsule.id, epoch: 1, from: 0 } as const;
    await other.say(b, question);
    await mesh.advance(20_000);
    expect(other.of('capsule_progress')).toEqual([]);
    expect(m.of('capsule_progress').length).toBeGreaterThan(0);
  });

  it('cannot bid for what is not announced', async () => {
    const { a, mesh, id } = await ordered();
    const other = await mesh.stranger(carol);
    const bid = { price: 0, estimatedLatency: 0, idempotent: true };
    await other.say(a, { type: 'capsule_request', capsuleIds: [id, 'ab'.repeat(32)], bid });
    expect(a.life.table.entry(other.nodeId, 'work.echo')).toBeUndefined();
  });

  it('cannot make the window for bids shorter or longer with a flood of them', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const m = await mesh.stranger(mallory);
    const { id } = await a.submit(a.capsule());
    await mesh.settle();
    const bid = { price: 0, estimatedLatency: 0, idempotent: true };
    await m.say(a, { type: 'capsule_request', capsuleIds: [id], bid });
    for (let n = 0; n < 50; n++) {
      await m.network.send(a.nodeId, { type: 'capsule_request', capsuleIds: [id], bid });
      if (n === 25) await mesh.advance(249);
    }
    await mesh.settle();
    expect(m.of('capsule_data')).toEqual([]);
    await mesh.advance(1);
    expect(m.of('capsule_data')).toHaveLength(1);
  });

  it('that goes away has its free run ended when nobody has waited for it for long', async () => {
    const { mesh, b, m } = await target({ offers: { 'work.wait': 0 }, strangers: [mallory] });
    const capsule = freeBy(mesh, mallory, { payload: { ms: 55_000 } });
    await m.say(
      b,
      orderOf(capsule, leaseBy(mesh, capsule, bob, mallory, { expiresAt: mesh.clock.now() + 100_000 })),
    );
    await m.network.stop();
    await mesh.advance(29_000);
    expect(b.status(capsule.id)).toBe('executing');
    await mesh.advance(1_100);
    expect(b.record(capsule.id)).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
    expect(b.life.engine.load()).toBe(0);
  });

  it('that comes back in time keeps its run, and so does whoever is known', async () => {
    for (const strangers of [[mallory], []]) {
      const { mesh, b, m } = await target({ strangers });
      const capsule = freeBy(mesh, mallory, { payload: { ms: 55_000 } });
      await m.say(
        b,
        orderOf(capsule, leaseBy(mesh, capsule, bob, mallory, { expiresAt: mesh.clock.now() + 100_000 })),
      );
      mesh.hub.partition([b.nodeId], [m.nodeId]);
      await mesh.advance(strangers.length > 0 ? 20_000 : 40_000);
      mesh.hub.heal();
      await m.network.dial(`/p2p/${b.nodeId}`);
      await mesh.advance(56_000);
      expect(b.status(capsule.id)).toBe('completed');
    }
  });

  it('with an endless run has no longer than the operator gives strangers', async () => {
    const { mesh, b, m } = await target({ strangers: [mallory], engine: { strangerTimeoutMs: 5_000 } });
    const capsule = freeBy(mesh, mallory, { payload: { ms: 3_000_000 } });
    await m.say(
      b,
      orderOf(capsule, leaseBy(mesh, capsule, bob, mallory, { expiresAt: mesh.clock.now() + 3_000_000 })),
    );
    await mesh.advance(5_100);
    expect(b.record(capsule.id)).toMatchObject({ status: 'failed', error: { code: 'timeout' } });
  });

  it('has no credit where the operator gives strangers none', async () => {
    const { mesh, b, m } = await target({ strangers: [mallory], creditLimit: 0 });
    const capsule = capsuleBy(mesh, mallory);
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob)));
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'insufficient_credit' }]);
    expect(b.runs).toEqual([]);
  });
});

describe("the node's own work", () => {
  it('finds a place beside 16 endless runs of a stranger', async () => {
    const { mesh, b, m } = await target({ strangers: [mallory], engine: { concurrency: 4, maxWaiting: 16 } });
    await flood(mesh, b, m, 16, 3_600_000);
    const own = await b.run({ requestedCapability: 'work.wait', payload: { ms: 10 } });
    expect(own).toMatchObject({ status: 'completed', executor: b.nodeId, record: { attempts: 1 } });
  });

  it('finds a place beside thousands of free orders, from one stranger or from many', async () => {
    for (const senders of [1, 8]) {
      const keys = Array.from({ length: senders }, (_, n) => keyNumber(n));
      const mesh = new Mesh();
      const b = await mesh.add(bob, {
        offers: { 'work.wait': 0 },
        strangers: keys,
        exchange: { maxActive: 256 },
        engine: { concurrency: 8, maxWaiting: 128 },
      });
      const peers = await Promise.all(keys.map((key) => mesh.stranger(key)));
      for (const peer of peers) await flood(mesh, b, peer, 2_048 / senders, 60_000);
      const { executing } = await b.life.capsules.counts();
      expect(executing).toBeLessThanOrEqual(96);
      const own = await b.run({ requestedCapability: 'work.wait', payload: { ms: 10 } });
      expect(own).toMatchObject({ status: 'completed', executor: b.nodeId });
      // And somebody who is known finds one, too.
      const a = await mesh.add(alice);
      const known = await a.run({ requestedCapability: 'work.wait', payload: { ms: 10 } });
      expect(known).toMatchObject({ status: 'completed', executor: b.nodeId });
    }
  });

  it('can be coordinated beside whatever others have in hand here', async () => {
    const mesh = new Mesh();
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 }, exchange: { maxActive: 16 } });
    const m = await mesh.stranger(mallory);
    const [first, last] = [await flood(mesh, b, m, 16, 60_000), await mesh.stranger(carol)];
    await flood(mesh, b, last, 16, 60_000);
    expect(first.filter((id) => b.status(id) === 'executing')).toHaveLength(3);
    for (let n = 0; n < 4; n++) {
      const { id } = await b.submit(b.capsule({ requestedCapability: 'work.nowhere' }));
      expect(['pending', 'announced']).toContain(b.status(id));
    }
  });
});

describe('a coordinator', () => {
  it('with 200 invented cheap providers that never answer asks the honest one first', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const invented = Array.from({ length: 200 }, (_, n) => keyNumber(n));
    for (const { nodeId } of invented)
      a.life.table.noteOffer(nodeId, { ...OFFER, price: 0, estimatedLatency: 0 });
    const c = await mesh.add(carol, { offers: { 'work.echo': 0 } });
    const view = await a.run();
    expect(view).toMatchObject({ status: 'completed', executor: c.nodeId, record: { epoch: 1 } });
  });

  it('that knows only invented providers tries few, and finds the honest one that comes later', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    for (let n = 0; n < 200; n++) a.life.table.noteOffer(keyNumber(n).nodeId, { ...OFFER, price: 0 });
    const { id } = await a.submit(a.capsule());
    await mesh.advance(30_000);
    expect(a.record(id)).toMatchObject({ status: 'announced' });
    expect(a.record(id)?.epoch).toBeLessThanOrEqual(3);
    const c = await mesh.add(carol, { offers: { 'work.echo': 0 } });
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: c.nodeId });
  });
});
