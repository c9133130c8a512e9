import { describe, expect, it, vi } from 'vitest';
import { announceTopic } from '../../../protocols/common/v1/limits.ts';
import { capsuleBy, freeBy, leaseBy, orderOf, target } from '../../support/hostile.ts';
import { alice, carol, mallory } from '../../support/keys.ts';
import { Mesh } from '../../support/mesh.ts';

const DAY_MS = 86_400_000;

describe('an order that is declined', () => {
  it('holds none of the credit of who would have paid', async () => {
    const { mesh, b, m } = await target({ exchange: { maxActive: 1 } });
    const long = freeBy(mesh, mallory, { payload: { ms: 60_000 } });
    await m.say(b, orderOf(long, leaseBy(mesh, long, b, mallory, { price: 0 })));
    expect(b.status(long.id)).toBe('executing');
    const paid = capsuleBy(mesh, mallory);
    await m.say(b, orderOf(paid, leaseBy(mesh, paid, b)));
    expect(m.of('capsule_decline')).toMatchObject([{ capsuleId: paid.id, code: 'busy' }]);
    expect(b.ledger.canPay(mallory.identity, 1_000_000_000, false)).toBe(true);
  });

  it('is one for what had expired before the clock of this node was set back', async () => {
    const { mesh, b, m } = await target();
    const capsule = freeBy(mesh, mallory, { executionPolicy: { expiresAt: mesh.clock.now() + DAY_MS } });
    vi.spyOn(b.life.capsules, 'ageNow').mockReturnValue(mesh.clock.now() + 2 * DAY_MS);
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, b, mallory, { price: 0 })));
    expect(m.of('capsule_decline')).toMatchObject([{ capsuleId: capsule.id, code: 'expired' }]);
    expect(b.runs).toEqual([]);
  });
});

it('a capsule that had expired before the clock was set back is not submitted', async () => {
  const mesh = new Mesh();
  const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
  const capsule = a.capsule({ executionPolicy: { expiresAt: mesh.clock.now() + DAY_MS } });
  vi.spyOn(a.life.capsules, 'ageNow').mockReturnValue(mesh.clock.now() + 2 * DAY_MS);
  await expect(a.submit(capsule)).rejects.toMatchObject({ code: 'expired' });
});

it('a node bids only where it has a place for who announces', async () => {
  const { mesh, b, m } = await target({ engine: { concurrency: 4, maxWaiting: 4 } });
  const announce = async (): Promise<void> => {
    const capsule = freeBy(mesh, mallory, { payload: { nonce: m.received.length } });
    const { id, requestedCapability, privacyRule } = capsule;
    const summary = { id, requestedCapability, privacyRule, amount: null, expiresAt: null, bytes: 500 };
    await m.network.publish(announceTopic(requestedCapability), {
      type: 'capsule_announce',
      nodeId: m.nodeId,
      capsuleIds: [id],
      capsuleSummaries: [summary],
    });
    await mesh.settle();
  };
  await m.network.dial(`/p2p/${b.nodeId}`);
  await mesh.settle();
  await announce();
  expect(m.of('capsule_request')).toHaveLength(1);
  for (let n = 0; m.of('capsule_decline').length === 0 && n < 16; n++) {
    const long = freeBy(mesh, mallory, { payload: { ms: 60_000, n } });
    await m.say(b, orderOf(long, leaseBy(mesh, long, b, mallory, { price: 0 })));
  }
  expect(m.of('capsule_decline')).toMatchObject([{ code: 'busy' }]);
  await announce();
  expect(m.of('capsule_request')).toHaveLength(1);
});

it('a capsule that waits is not written again for every look that finds nobody', async () => {
  const mesh = new Mesh();
  const a = await mesh.add(alice);
  await mesh.add(carol, { offers: { 'work.other': 0 } });
  const { id } = await a.submit(a.capsule({ executionPolicy: { expiresAt: mesh.clock.now() + DAY_MS } }));
  await mesh.advance(1_000);
  const before = a.record(id);
  expect(before?.status).toBe('announced');
  await mesh.advance(60_000);
  expect(a.record(id)?.updatedAt).toBe(before?.updatedAt);
});
