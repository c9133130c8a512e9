import { describe, expect, it } from 'vitest';
import type { ExchangeMessageOf } from '../../../../protocols/messages/v1/schema.ts';
import type { Receipt } from '../../../../protocols/receipt/v1/schema.ts';
import { receiptOf } from '../../../support/documents.ts';
import { given, leaseBy, offersTo, ordered, resultBy } from '../../../support/hostile.ts';
import { alice, bob, carol, mallory } from '../../../support/keys.ts';
import { Mesh } from '../../../support/mesh.ts';

const MINUTE_MS = 60_000;

const changed = (receipt: Receipt, changes: Partial<Receipt>): Receipt => ({ ...receipt, ...changes });

/** As many bytes of canonical JSON as a result may have, and `more`. */
const largeResult = (more: number) => ({ text: 'x'.repeat(1_048_576 - '{"text":""}'.length + more) });

describe('a result', () => {
  it('in order is accepted and paid, for comparison', async () => {
    const { a, m, id, capsule, lease } = await ordered();
    await m.say(a, resultBy(mallory, capsule, lease));
    expect(a.status(id)).toBe('completed');
    expect(m.of('capsule_settlement')).toMatchObject([
      { settlement: { amount: 2, payee: mallory.identity } },
    ]);
    expect(a.balance(alice)).toBe(-2_000_000);
  });

  const forgeries: [
    string,
    (given: Awaited<ReturnType<typeof ordered>>) => ExchangeMessageOf<'capsule_result'>,
    RegExp,
  ][] = [
    ["with another's receipt", ({ capsule, lease }) => resultBy(bob, capsule, lease), /not the sender's/],
    [
      'with a changed receipt',
      ({ capsule, lease }) => {
        const message = resultBy(mallory, capsule, lease);
        return { ...message, receipt: changed(message.receipt, { finishedAt: lease.grantedAt + 7 }) };
      },
      /receiptHash/,
    ],
    [
      'with a receipt that another signed',
      ({ capsule, lease }) => {
        const message = resultBy(mallory, capsule, lease);
        const { signature } = receiptOf(capsule, message.result, { epoch: 1 }, bob);
        return { ...message, receipt: changed(message.receipt, { signature }) };
      },
      /signature/,
    ],
    [
      'with a receipt for another capsule',
      ({ capsule, lease }) => resultBy(mallory, capsule, lease, { capsuleId: 'ab'.repeat(32) }),
      /something else/,
    ],
    [
      'with a receipt for another capability',
      ({ capsule, lease }) => resultBy(mallory, capsule, lease, { capabilityId: 'work.cheap' }),
      /another capability/,
    ],
    [
      'with a receipt for another input',
      ({ capsule, lease }) => resultBy(mallory, capsule, lease, { inputHash: 'ab'.repeat(32) }),
      /another input/,
    ],
    [
      'with a receipt of a failure',
      ({ capsule, lease }) => {
        const error = { code: 'internal', message: 'x' };
        const failure = { status: 'failed', resultHash: null, charge: null, error } as const;
        return resultBy(mallory, capsule, lease, failure);
      },
      /something else/,
    ],
    [
      'that is not the one in the receipt',
      ({ capsule, lease }) => ({ ...resultBy(mallory, capsule, lease), result: { done: false } }),
      /not the one in the receipt/,
    ],
    [
      'that is missing',
      ({ capsule, lease }) => {
        const { result: _, ...rest } = resultBy(mallory, capsule, lease);
        return rest;
      },
      /missing/,
    ],
    [
      'larger than a result may be',
      ({ capsule, lease }) => resultBy(mallory, capsule, lease, {}, largeResult(1)),
      /1048576 bytes/,
    ],
    [
      'that charges more than the lease says',
      ({ capsule, lease }) => resultBy(mallory, capsule, lease, { charge: 2.000_001 }),
      /charges more/,
    ],
    [
      'that does not say what it charges',
      ({ capsule, lease }) => resultBy(mallory, capsule, lease, { charge: null }),
      /does not say/,
    ],
    [
      'begun before its lease',
      ({ capsule, lease }) =>
        resultBy(mallory, capsule, lease, { startedAt: lease.grantedAt - 5 * MINUTE_MS - 1 }),
      /begins before/,
    ],
    [
      'that ends before it begins',
      ({ capsule, lease }) => resultBy(mallory, capsule, lease, { startedAt: lease.grantedAt + 2 }),
      /ends before it begins/,
    ],
    [
      'finished after its lease',
      ({ capsule, lease }) =>
        resultBy(mallory, capsule, lease, { finishedAt: lease.expiresAt + 5 * MINUTE_MS + 1 }),
      /ends after/,
    ],
    [
      'finished in a future that its lease would allow',
      ({ capsule, lease, mesh }) =>
        resultBy(mallory, capsule, lease, { finishedAt: mesh.clock.now() + 5 * MINUTE_MS + 1 }),
      /future/,
    ],
    [
      'made under another lease than it shows',
      ({ capsule, lease }) => resultBy(mallory, capsule, lease, { epoch: 7 }),
      /another lease/,
    ],
    [
      'under a lease of its own making',
      ({ mesh, capsule }) => {
        const lease = leaseBy(mesh, capsule, mallory, mallory, { epoch: 1 });
        return resultBy(mallory, capsule, lease);
      },
      /not granted/,
    ],
    [
      'under a changed lease',
      ({ capsule, lease }) => resultBy(mallory, capsule, { ...lease, expiresAt: lease.expiresAt - 1 }),
      /not granted/,
    ],
  ];

  for (const [name, forge, reason] of forgeries) {
    it(`${name} is refused, its sender passed over, and nothing paid`, async () => {
      const given = await ordered({ executionPolicy: { maxRetries: 0 } });
      const { a, mesh, m, id } = given;
      await m.say(a, forge(given));
      expect(m.of('capsule_decline')).toMatchObject([{ code: 'invalid_receipt', capsuleId: id }]);
      expect(m.of('capsule_decline')[0]?.message).toMatch(reason);
      expect(m.of('capsule_settlement')).toEqual([]);
      expect(await a.ended(id)).toMatchObject({ status: 'failed', error: { code: 'invalid_receipt' } });
      expect((await a.ledger.history({})).items).toEqual([]);
      expect(await mesh.problems()).toEqual([]);
    });
  }

  it('under a lease of the future is refused, and its sender keeps the lease that it has', async () => {
    const { a, m, id, capsule, lease } = await ordered();
    await m.say(a, resultBy(mallory, capsule, { ...lease, epoch: 2 }));
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'invalid_receipt' }]);
    expect(a.record(id)).toMatchObject({ status: 'executing', executor: m.nodeId, epoch: 1 });
  });

  it('as large as it may be is accepted', async () => {
    const { a, m, id, capsule, lease } = await ordered();
    await m.say(a, resultBy(mallory, capsule, lease, {}, largeResult(0)));
    expect(a.status(id)).toBe('completed');
  });

  it('of a capability that is larger than that fails where it is made', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const work = async () => largeResult(1);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 }, work });
    const { id } = await a.submit(a.capsule({ executionPolicy: { maxRetries: 0 } }));
    expect(await a.ended(id)).toMatchObject({ status: 'failed', error: { code: 'too_large' } });
    expect(b.result(id)).toMatchObject({ result: null, receipt: { status: 'failed' } });
  });

  it('under a changed lease that nobody signs is refused as well', async () => {
    for (const field of ['expiresAt', 'grantedAt', 'price'] as const) {
      const { a, m, id, capsule, lease } = await ordered({ paymentRule: null }, { price: 0 });
      expect(lease.signature).toBeUndefined();
      await m.say(a, resultBy(mallory, capsule, { ...lease, [field]: lease[field] + 1 }));
      expect(m.of('capsule_decline')).toMatchObject([{ code: 'invalid_receipt' }]);
      expect(a.status(id)).not.toBe('completed');
    }
  });

  it('from a stranger changes nothing, not even for the one who has the order', async () => {
    const { a, mesh, m, id, capsule, lease } = await ordered();
    const other = await mesh.stranger(carol);
    const theirs = { ...lease, executor: carol.identity };
    await other.say(a, resultBy(carol, capsule, theirs));
    await other.say(a, resultBy(mallory, capsule, lease));
    await other.say(a, { ...resultBy(carol, capsule, theirs), status: 'failed' });
    expect(other.of('capsule_decline').map(({ code }) => code)).toEqual([
      'invalid_receipt',
      'invalid_receipt',
      'invalid_receipt',
    ]);
    expect(a.record(id)).toMatchObject({ status: 'executing', executor: m.nodeId });
    await m.say(a, resultBy(mallory, capsule, lease));
    expect(a.status(id)).toBe('completed');
  });

  it('of an unknown capsule is declined as such', async () => {
    const { a, m, capsule, lease } = await ordered();
    const capsuleId = 'ab'.repeat(32);
    await m.say(a, { ...resultBy(mallory, capsule, lease), capsuleId });
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'not_found', capsuleId }]);
  });

  it('again is answered again and paid once; another one is declined, and shown the winner', async () => {
    const { a, m, capsule, lease } = await ordered();
    const first = resultBy(mallory, capsule, lease);
    await m.say(a, first);
    await m.say(a, first);
    expect(m.of('capsule_settlement')).toHaveLength(2);
    await m.say(a, resultBy(mallory, capsule, lease, { finishedAt: lease.grantedAt + 2 }));
    expect(m.of('capsule_decline')).toMatchObject([
      { code: 'conflict', winner: { receipt: { receiptHash: first.receipt.receiptHash }, lease } },
    ]);
    expect(a.balance(alice)).toBe(-2_000_000);
  });

  it('of work that was given to another since is paid once, whichever of the two comes first', async () => {
    for (const lateFirst of [true, false]) {
      const { a, mesh, m, id, capsule, lease } = await ordered(
        {},
        {},
        { exchange: { acceptTimeoutMs: 500 } },
      );
      const c = await mesh.stranger(carol);
      await offersTo(a, c);
      await mesh.advance(1_000);
      const second = given(c);
      const results = [
        [m, resultBy(mallory, capsule, lease)],
        [c, resultBy(carol, second.capsule, second.lease)],
      ] as const;
      for (const [peer, result] of lateFirst ? results : results.toReversed()) await peer.say(a, result);
      const [winner, loser] = lateFirst ? [m, c] : [c, m];
      expect(a.record(id)).toMatchObject({ status: 'completed', executor: winner.nodeId });
      expect(winner.of('capsule_settlement')).toHaveLength(1);
      expect(loser.of('capsule_settlement')).toEqual([]);
      expect(loser.of('capsule_cancel')).toHaveLength(1);
      expect(loser.of('capsule_decline')).toMatchObject([{ code: 'conflict', winner: {} }]);
      expect(a.balance(alice)).toBe(-2_000_000);
      expect(await mesh.problems()).toEqual([]);
    }
  });
});

describe('a price', () => {
  const byPrice = { paymentRule: { type: 'credit', amount: 5, charge: 'price' } } as const;

  it('of nothing wins and earns nothing, where the rule charges by price', async () => {
    const { a, m, id, capsule, lease } = await ordered(byPrice, { price: 0 });
    expect(lease).toMatchObject({ price: 0 });
    await m.say(a, resultBy(mallory, capsule, lease, { charge: 5 }));
    expect(m.of('capsule_decline')).toMatchObject([{ code: 'invalid_receipt' }]);
    await m.say(a, resultBy(mallory, capsule, lease));
    expect(a.balance(alice)).toBe(0);
    expect((await a.view(id)).status).not.toBe('pending');
  });

  it('that was offered is what is paid, and never the whole amount', async () => {
    const { a, m, id, capsule, lease } = await ordered(byPrice, { price: 1.5 });
    await m.say(a, resultBy(mallory, capsule, lease));
    expect(a.status(id)).toBe('completed');
    expect(m.of('capsule_settlement')).toMatchObject([{ settlement: { amount: 1.5 } }]);
    expect(a.balance(alice)).toBe(-1_500_000);
  });

  it('above the amount is not even asked', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const m = await mesh.stranger(mallory);
    await offersTo(a, m, { price: 5.000_001 });
    const { id } = await a.submit(a.capsule(byPrice));
    await mesh.settle();
    expect(m.of('capsule_data')).toEqual([]);
    expect(a.status(id)).toBe('announced');
  });
});
