import { describe, expect, it } from 'vitest';
import { nodeIdOf } from '../../../src/capsule/identity.ts';
import { createSigner } from '../../../src/lib/crypto.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { alice, bob, carol, type TestKey } from '../../support/keys.ts';
import { Mesh } from '../../support/mesh.ts';
import { seedOf } from '../../support/network.ts';

/** One of many whom nobody knows by name. */
function keyOf(number: number): TestKey {
  const seed = seedOf(number);
  const signer = createSigner(nodeCrypto, seed);
  return { seed, signer, identity: signer.identity, nodeId: nodeIdOf(signer.identity) };
}

describe('a capsule', () => {
  it('is executed here where that is best', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const view = await a.run({ payload: { text: 'hello' } });
    expect(view).toMatchObject({ status: 'completed', executor: a.nodeId, result: { text: 'hello' } });
    expect(view.record).toMatchObject({ attempts: 1, epoch: 1, coordinator: a.nodeId, submitter: a.nodeId });
    expect(await mesh.problems()).toEqual([]);
  });

  it('is executed elsewhere where this node cannot', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const view = await a.run({ payload: { text: 'hello' }, paymentRule: { type: 'credit', amount: 1 } });
    expect(view).toMatchObject({ status: 'completed', executor: b.nodeId, result: { by: bob.identity } });
    expect(view.receipt).toMatchObject({ identity: bob.identity, capsuleId: view.id, epoch: 1 });
    expect(b.record(view.id)).toMatchObject({
      status: 'completed',
      coordinator: a.nodeId,
      executor: b.nodeId,
    });
    await mesh.settle();
    expect(b.result(view.id)?.settlement).toMatchObject({ payer: alice.identity, payee: bob.identity });
    expect(await mesh.problems()).toEqual([]);
  });

  it('is submitted once however often it is handed in', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    const capsule = a.capsule();
    const ids = await Promise.all([a.submit(capsule), a.submit(capsule), a.submit(capsule)]);
    expect(new Set(ids.map(({ id }) => id))).toEqual(new Set([capsule.id]));
    await a.ended(capsule.id);
    expect(await a.submit(capsule)).toEqual({ id: capsule.id });
    expect(a.runsOf(capsule.id)).toBe(1);
    expect(a.eventsOf(capsule.id).map(({ type }) => type)).toEqual(['status', 'status', 'done']);
  });

  it('goes only to the node that was named, even where the market does not know it', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const c = await mesh.add(carol, { offers: { 'work.echo': 0 } });
    a.life.table.remove(c.nodeId);
    const view = await a.run({}, { executor: c.nodeId });
    expect(view).toMatchObject({ status: 'completed', executor: c.nodeId });
  });

  it('is refused whole where it is not in order, with its code', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    const b = await mesh.add(bob);
    const good = a.capsule();
    await expect(a.submit({ ...good, payload: { nonce: -1 } })).rejects.toMatchObject({
      code: 'invalid_signature',
    });
    await expect(a.submit({ ...good, extra: 1 })).rejects.toMatchObject({ code: 'invalid_capsule' });
    await expect(a.submit('nonsense')).rejects.toMatchObject({ code: 'invalid_capsule' });
    const paid = a.capsule({ paymentRule: { type: 'credit', amount: 1 } });
    // The origin named no other submitter than itself.
    await expect(b.submit(paid)).rejects.toMatchObject({ code: 'permission_denied' });
    await expect(a.submit(a.capsule(), { executor: 'nobody' })).rejects.toMatchObject({
      code: 'invalid_request',
    });
    expect(a.events).toEqual([]);
    expect((await a.life.capsules.counts()).pending).toBe(0);
  });

  it('is turned away while this node coordinates as many as it may, and taken afterwards', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.wait': 0 }, exchange: { maxActive: 2 } });
    const wait = { requestedCapability: 'work.wait', payload: { ms: 500 } };
    const capsules = [1, 2, 3].map((nonce) => a.capsule({ ...wait, payload: { ms: 500, nonce } }));
    const taken = await Promise.allSettled(capsules.map((capsule) => a.submit(capsule)));
    expect(taken.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(taken[2]).toMatchObject({ reason: { code: 'busy' } });
    expect(capsules[2] && a.status(capsules[2].id)).toBe('unknown');
    await mesh.advance(600);
    expect((await a.run({ ...wait, payload: { ms: 1 } })).status).toBe('completed');
  });
});

describe('where nobody is known', () => {
  it('announces, collects bids, and assigns the best bidder', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 3 } });
    const c = await mesh.add(carol, { offers: { 'work.echo': 1 } });
    for (const node of [b, c]) a.life.table.remove(node.nodeId);
    const { id } = await a.submit(a.capsule({ paymentRule: { type: 'credit', amount: 5 } }));
    await mesh.settle();
    expect(a.status(id)).toBe('announced');
    await mesh.advance(249);
    expect(a.status(id)).toBe('announced');
    await mesh.advance(1);
    expect(await a.view(id)).toMatchObject({ status: 'completed', executor: c.nodeId });
    expect(b.status(id)).toBe('unknown');
    expect(await mesh.problems()).toEqual([]);
  });

  it('announces again for a provider that comes later', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const { id } = await a.submit(a.capsule());
    await mesh.advance(5_000);
    expect(a.status(id)).toBe('announced');
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: b.nodeId });
  });

  it('gives up after the search time', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { exchange: { searchMs: 6_000 } });
    const { id } = await a.submit(a.capsule());
    await mesh.advance(5_900);
    expect(a.status(id)).toBe('announced');
    await mesh.advance(200);
    expect(await a.view(id)).toMatchObject({
      status: 'failed',
      error: { code: 'no_provider' },
      receipt: null,
    });
    expect(a.eventsOf(id).filter(({ type }) => type === 'done')).toHaveLength(1);
  });

  it('tells why the last of those who were asked refused', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { exchange: { searchMs: 6_000 } });
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 }, creditLimit: 0 });
    await mesh.settle();
    const view = await a.run({ paymentRule: { type: 'credit', amount: 1 } });
    expect(view).toMatchObject({ status: 'failed', error: { code: 'insufficient_credit' } });
    expect(b.status(view.id)).toBe('unknown');
  });

  it('asks so many who refuse, the others after a pause, and all of them again after that', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { exchange: { searchMs: 20_000 } });
    const asked: string[] = [];
    for (let n = 1; n <= 40; n++) {
      const m = await mesh.stranger(keyOf(n));
      const refusal = { type: 'capsule_decline', code: 'restricted', message: 'No.', load: 0 } as const;
      m.network.onMessage((from, message) => {
        if (message.type !== 'capsule_data') return;
        asked.push(m.nodeId);
        const about = {
          capsuleId: message.capsule.id,
          of: 'capsule_data',
          epoch: message.assignment?.epoch ?? 0,
        };
        void m.network.send(from, { ...refusal, ...about });
      });
      await a.life.network.dial(`/p2p/${m.nodeId}`);
      a.life.table.noteOffer(m.nodeId, {
        capabilityId: 'work.echo',
        price: 0,
        estimatedLatency: 0,
        idempotent: true,
      });
    }
    const { id } = await a.submit(a.capsule());
    for (const total of [16, 32, 40, 56]) {
      await mesh.until(() => a.status(id) === 'announced' && asked.length >= total, `${total} orders`);
      expect(asked).toHaveLength(total);
      expect(new Set(asked).size).toBe(Math.min(40, total));
    }
    expect(await a.ended(id)).toMatchObject({ status: 'failed', error: { code: 'restricted' } });
  });

  it('does not show a capsule to the mesh that one node alone may execute', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { exchange: { searchMs: 20_000 } });
    await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const topics: (string | null)[] = [];
    mesh.hub.intercept(({ topic }) => {
      topics.push(topic);
      return 'deliver';
    });
    const only = a.run({}, { executor: carol.nodeId });
    const restricted = a.run({ privacyRule: 'restricted' });
    expect((await only).error?.code).toBe('unreachable');
    expect((await restricted).error?.code).toBe('no_provider');
    expect(topics.filter((topic) => topic?.includes('announce'))).toEqual([]);
  });
});
