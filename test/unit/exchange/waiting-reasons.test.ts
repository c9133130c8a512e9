import { describe, expect, it } from 'vitest';
import { alice, bob } from '../../support/keys.ts';
import { Mesh } from '../../support/mesh.ts';

const FULL = { concurrency: 1, maxWaiting: 0 };
const wait = (ms: number) => ({ requestedCapability: 'work.wait', payload: { ms } });

describe('a capsule that waits', () => {
  it('says why, and for each known node what it answered', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 }, engine: FULL });
    await a.submit(a.capsule(wait(3_000)));
    await mesh.settle();
    const { id } = await a.submit(a.capsule(wait(10)));
    await mesh.until(() => a.status(id) === 'announced');
    const { waiting, record } = await a.view(id);
    expect(waiting).toEqual({
      reason: { code: 'busy', message: expect.any(String) },
      until: expect.any(Number),
      again: null,
    });
    const note = waiting?.reason.message;
    expect(a.eventsOf(id)).toContainEqual(expect.objectContaining({ status: 'announced', note }));
    expect(record.history.at(-1)).toMatchObject({ status: 'announced', note });
    const { excluded } = a.exchange.explain(id).at(-1) ?? expect.fail('no decision');
    expect(excluded).toEqual([{ nodeId: b.nodeId, reason: 'already_tried', note }]);
    expect(await a.ended(id)).toMatchObject({ status: 'completed', waiting: null });
  });

  it('says what this node itself answered', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.wait': 0 }, engine: FULL });
    await a.submit(a.capsule(wait(3_000)));
    await mesh.settle();
    const { id } = await a.submit(a.capsule(wait(10)));
    await mesh.until(() => a.status(id) === 'announced');
    expect(a.exchange.explain(id).at(-1)).toMatchObject({
      ranking: [],
      excluded: [{ nodeId: 'local', reason: 'busy', note: expect.any(String) }],
      excludedBy: { busy: 1 },
    });
  });

  it('is explained by the newest choice that found nobody', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const { id } = await a.submit(a.capsule(wait(10)));
    await mesh.settle();
    expect(a.exchange.explain(id)).toMatchObject([{ providersKnown: 0 }]);
    const b = await mesh.add(bob, { offers: { 'work.wait': 1 } });
    await mesh.until(() => a.exchange.explain(id)[0]?.excluded.length === 1);
    expect(a.exchange.explain(id)).toMatchObject([
      { excluded: [{ nodeId: b.nodeId, reason: 'price_above_amount' }] },
    ]);
  });
});
