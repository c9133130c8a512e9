import { describe, expect, it } from 'vitest';
import type { ExchangeMessageOf } from '../../../../protocols/messages/v1/schema.ts';
import { capsuleBy, decline, freeBy, leaseBy, orderOf, target } from '../../../support/hostile.ts';
import { alice, bob, carol, mallory } from '../../../support/keys.ts';
import { Mesh, type TestNode } from '../../../support/mesh.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

async function refused(
  make: (mesh: Mesh, b: TestNode) => ExchangeMessageOf<'capsule_data'>,
  code: string,
  message: RegExp,
): Promise<void> {
  const { mesh, b, m } = await target();
  const told = make(mesh, b);
  await m.say(b, told);
  expect(m.received.filter(({ type }) => type === 'capsule_accept')).toEqual([]);
  expect(m.of('capsule_decline')).toMatchObject([{ capsuleId: told.capsule.id, of: 'capsule_data', code }]);
  expect(m.of('capsule_decline')[0]?.message).toMatch(message);
  expect(b.status(told.capsule.id)).toBe('unknown');
  expect(b.runs).toEqual([]);
  expect(b.events).toEqual([]);
  for (const { identity } of [alice, mallory])
    expect(b.ledger.canPay(identity, 1_000_000_000, false)).toBe(true);
}

describe('an order', () => {
  it('in order is accepted, for comparison', async () => {
    const { mesh, b, m } = await target();
    const capsule = freeBy(mesh, mallory, { payload: { ms: 5 } });
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob)));
    expect(m.of('capsule_accept')).toMatchObject([{ of: 'order', epoch: 1 }]);
    await mesh.advance(10);
    expect(m.of('capsule_result')).toMatchObject([{ status: 'completed', capsuleId: capsule.id }]);
  });

  it('without an assignment', () =>
    refused((mesh) => orderOf(capsuleBy(mesh, mallory)), 'lease_invalid', /needs an assignment/));

  it('for a tampered capsule', () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory);
        return orderOf({ ...capsule, payload: { text: 'y' } }, leaseBy(mesh, capsule, bob));
      },
      'invalid_signature',
      /"id"/,
    ));

  it('with an assignment for another capsule', () =>
    refused(
      (mesh) =>
        orderOf(capsuleBy(mesh, mallory), leaseBy(mesh, capsuleBy(mesh, mallory, { payload: {} }), bob)),
      'lease_invalid',
      /another capsule/,
    ));

  it('with an assignment for another executor', () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory);
        return orderOf(capsule, leaseBy(mesh, capsule, carol));
      },
      'lease_invalid',
      /another node/,
    ));

  it("with somebody else's assignment", () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, alice);
        return orderOf(capsule, leaseBy(mesh, capsule, bob, alice));
      },
      'lease_invalid',
      /not by the node that sent it/,
    ));

  it('with an assignment that somebody else signed', () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory);
        const { signature } = leaseBy(mesh, capsule, bob, alice);
        if (signature === undefined) throw new Error('it is signed');
        return orderOf(capsule, { ...leaseBy(mesh, capsule, bob), signature });
      },
      'lease_invalid',
      /signature/,
    ));

  it('for paid work with an assignment that nobody signed', () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory);
        const { signature: _, ...lease } = leaseBy(mesh, capsule, bob);
        return orderOf(capsule, lease);
      },
      'lease_invalid',
      /must be signed/,
    ));

  it('for unpaid work of another, by who got hold of the capsule and names itself as its submitter', () =>
    refused(
      (mesh) => {
        const capsule = freeBy(mesh, alice);
        return orderOf(capsule, leaseBy(mesh, capsule, bob));
      },
      'lease_invalid',
      /its origin named/,
    ));

  it('for paid work of another', () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, alice);
        return orderOf(capsule, leaseBy(mesh, capsule, bob));
      },
      'lease_invalid',
      /its origin named/,
    ));

  it('for work of another that the origin left to a third', () =>
    refused(
      (mesh) => {
        const capsule = freeBy(mesh, alice, { executionPolicy: { submitter: carol.identity } });
        return orderOf(capsule, leaseBy(mesh, capsule, bob));
      },
      'lease_invalid',
      /its origin named/,
    ));

  it('that the origin left to the sender is taken, for comparison', async () => {
    const { mesh, b, m } = await target();
    const capsule = freeBy(mesh, alice, { executionPolicy: { submitter: mallory.identity } });
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob)));
    expect(b.status(capsule.id)).toBe('completed');
  });

  it('of another for unpaid work does not keep the real one from being done', async () => {
    const { mesh, b, m } = await target();
    const a = await mesh.add(alice);
    const capsule = freeBy(mesh, alice);
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob)));
    await a.submit(capsule);
    expect(await a.ended(capsule.id)).toMatchObject({ status: 'completed', executor: b.nodeId });
    expect(m.of('capsule_result')).toEqual([]);
  });

  it('under a lease that ended longer ago than clocks differ', async () => {
    const { mesh, b, m } = await target();
    const capsule = capsuleBy(mesh, mallory);
    const lease = leaseBy(mesh, capsule, bob);
    await mesh.advance(30_000 + 5 * MINUTE_MS + 1);
    await m.say(b, orderOf(capsule, lease));
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'clock_skew' }]);
    expect(b.status(capsule.id)).toBe('unknown');
  });

  it('under a lease that is granted in a future beyond what clocks differ', () =>
    refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory);
        const grantedAt = mesh.clock.now() + 5 * MINUTE_MS + 1;
        return orderOf(
          capsule,
          leaseBy(mesh, capsule, bob, mallory, { grantedAt, expiresAt: grantedAt + 1 }),
        );
      },
      'clock_skew',
      /ahead/,
    ));

  it('at a price that the capsule does not pay', async () => {
    for (const price of [0.5, 2]) {
      await refused(
        (mesh) => {
          const capsule = capsuleBy(mesh, mallory);
          return orderOf(capsule, leaseBy(mesh, capsule, bob, mallory, { price }));
        },
        'lease_invalid',
        /price of the lease/,
      );
    }
  });

  it('below the offer, where the rule charges by price', () =>
    refused(
      (mesh) => {
        const paymentRule = { type: 'credit', amount: 5, charge: 'price' } as const;
        const capsule = capsuleBy(mesh, mallory, { paymentRule });
        return orderOf(capsule, leaseBy(mesh, capsule, bob, mallory, { price: 0.999_999 }));
      },
      'payment_required',
      /costs 1/,
    ));

  it('for a restricted or encrypted capsule of another', async () => {
    for (const [privacyRule, code] of [
      ['restricted', 'restricted'],
      ['encrypted', 'encrypted_unsupported'],
    ] as const) {
      await refused(
        (mesh) => {
          const capsule = capsuleBy(mesh, mallory, { privacyRule });
          return orderOf(capsule, leaseBy(mesh, capsule, bob));
        },
        code,
        /./,
      );
    }
  });

  it('for what is not on offer, or costs more', async () => {
    await refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory, { requestedCapability: 'work.nothing' });
        return orderOf(capsule, leaseBy(mesh, capsule, bob));
      },
      'capability_unavailable',
      /work.nothing/,
    );
    await refused(
      (mesh) => {
        const capsule = capsuleBy(mesh, mallory, { paymentRule: { type: 'credit', amount: 0.5 } });
        return orderOf(capsule, leaseBy(mesh, capsule, bob));
      },
      'payment_required',
      /costs 1/,
    );
  });

  it('for a capsule that this node coordinates', async () => {
    const { mesh, b, m } = await target();
    const { id } = await b.submit(b.capsule({ requestedCapability: 'work.nowhere' }));
    await mesh.settle();
    const capsule = b.life.capsules.get(id);
    if (capsule === undefined) throw new Error('it is stored');
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob)));
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'conflict' }]);
    expect(b.status(id)).toBe('announced');
  });

  it('twice is executed once and answered twice, also under a later lease', async () => {
    const { mesh, b, m } = await target();
    const capsule = capsuleBy(mesh, mallory);
    const first = orderOf(capsule, leaseBy(mesh, capsule, bob));
    await m.say(b, first);
    await m.say(b, first);
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob, mallory, { epoch: 9 })));
    const results = m.of('capsule_result');
    expect(results.length).toBeGreaterThan(1);
    expect(new Set(results.map(({ receipt }) => receipt.receiptHash)).size).toBe(1);
    expect(b.runs).toHaveLength(1);
    expect(b.balance(bob)).toBe(1_000_000);
  });

  it('of what another node ordered before is a conflict, and tells nothing', async () => {
    const { mesh, b, m } = await target();
    const capsule = freeBy(mesh, mallory);
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob)));
    const c = await mesh.stranger(carol);
    await c.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob, carol)));
    expect(c.received.map(({ type }) => type)).toEqual(['capability_query', 'capsule_decline']);
    expect(c.of('capsule_decline')).toMatchObject([{ code: 'conflict' }]);
  });

  it('by the hundreds in one moment is taken as far as there is room, and declined beyond', async () => {
    const mesh = new Mesh();
    const b = await mesh.add(bob, { offers: { 'work.once': 0 }, engine: { concurrency: 2, maxWaiting: 20 } });
    const m = await mesh.stranger(mallory);
    const capsules = Array.from({ length: 600 }, (_, n) =>
      freeBy(mesh, mallory, { requestedCapability: 'work.once', payload: { ms: 1_000, n } }),
    );
    for (const capsule of capsules) {
      const order = orderOf(capsule, leaseBy(mesh, capsule, bob));
      // More than fits into the stream at once is not even sent.
      await m.network.send(b.nodeId, order).catch(() => mesh.settle());
    }
    await mesh.settle();
    await mesh.settle();
    const declined = m.of('capsule_decline');
    expect(declined.length).toBeGreaterThan(500);
    expect(new Set(declined.map(({ code }) => code))).toEqual(new Set(['busy']));
    expect(declined.every(({ retryAfterMs }) => (retryAfterMs ?? 0) > 0)).toBe(true);
    expect(m.of('capsule_accept').length + declined.length).toBeLessThanOrEqual(600);
    await mesh.advance(60_000);
    const { executing } = await b.life.capsules.counts();
    expect(executing).toBe(0);
  });
});

describe('an order played again', () => {
  it('after its record was pruned is a conflict, and neither run nor paid again', async () => {
    const { mesh, b, m } = await target();
    const capsule = capsuleBy(mesh, mallory);
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob)));
    expect(b.balance(bob)).toBe(1_000_000);
    await m.say(b, decline(capsule.id, 'conflict', 'capsule_result'));
    await mesh.advance(MINUTE_MS);
    await b.life.capsules.prune({ maxCount: 0 });
    expect(b.status(capsule.id)).toBe('unknown');
    for (const restart of [false, true]) {
      if (restart) await b.restart();
      await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob, mallory, { epoch: restart ? 3 : 2 })));
      expect(m.of('capsule_decline').at(-1)).toMatchObject({ code: 'conflict', of: 'capsule_data' });
    }
    expect(b.runs).toHaveLength(1);
    expect(b.balance(bob)).toBe(1_000_000);
  });

  it('after it expired is refused, though its id is forgotten by then', async () => {
    const { mesh, b, m } = await target();
    const expiresAt = mesh.clock.now() + MINUTE_MS;
    const capsule = capsuleBy(mesh, mallory, { executionPolicy: { expiresAt } });
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob)));
    await m.say(b, decline(capsule.id, 'conflict', 'capsule_result'));
    await mesh.advance(2 * MINUTE_MS);
    await b.life.capsules.prune({ maxCount: 0 });
    const lease = { epoch: 2, grantedAt: capsule.timestamp, expiresAt };
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob, mallory, lease)));
    expect(m.of('capsule_decline').at(-1)).toMatchObject({ code: 'expired' });
    expect(b.runs).toHaveLength(1);
  });

  it('a week later is refused where it named no expiry', async () => {
    const { mesh, b, m } = await target();
    const capsule = freeBy(mesh, mallory);
    mesh.clock.jump(7 * DAY_MS);
    const lease = { grantedAt: capsule.timestamp + 1, expiresAt: capsule.timestamp + 7 * DAY_MS };
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob, mallory, lease)));
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'expired' }]);
    expect(b.runs).toEqual([]);
  });
});

describe('a cancel', () => {
  it('that comes before its order is remembered for it', async () => {
    const { mesh, b, m } = await target();
    const capsule = freeBy(mesh, mallory);
    await m.say(b, { type: 'capsule_cancel', capsuleId: capsule.id, epoch: 1 });
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob)));
    expect(m.of('capsule_decline').at(-1)).toMatchObject({ code: 'cancelled', of: 'capsule_data' });
    expect(b.runs).toEqual([]);
    // The next lease is another matter.
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob, mallory, { epoch: 2 })));
    expect(b.status(capsule.id)).toBe('completed');
  });

  it('of another peer, before the order, stops nothing', async () => {
    const { mesh, b, m } = await target();
    const capsule = freeBy(mesh, mallory);
    const c = await mesh.stranger(carol);
    await c.say(b, { type: 'capsule_cancel', capsuleId: capsule.id, epoch: 9 });
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob)));
    expect(b.status(capsule.id)).toBe('completed');
  });

  it('of an older lease does not stop a run under a newer one', async () => {
    const { mesh, b, m } = await target();
    const capsule = freeBy(mesh, mallory, { payload: { ms: 1_000 } });
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob, mallory, { epoch: 2 })));
    await m.say(b, { type: 'capsule_cancel', capsuleId: capsule.id, epoch: 1 });
    await mesh.advance(1_000);
    expect(b.status(capsule.id)).toBe('completed');
  });
});
