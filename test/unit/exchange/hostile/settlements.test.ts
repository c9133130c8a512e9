import { describe, expect, it } from 'vitest';
import type { Assignment } from '../../../../protocols/assignment/v1/schema.ts';
import type { Receipt } from '../../../../protocols/receipt/v1/schema.ts';
import { signSettlement } from '../../../../src/capsule/settlement.ts';
import { nodeCrypto } from '../../../../src/lib/crypto-node.ts';
import {
  capsuleBy,
  decline,
  failureBy,
  freeBy,
  leaseBy,
  orderOf,
  resultBy,
  target,
} from '../../../support/hostile.ts';
import { bob, carol, mallory, type TestKey } from '../../../support/keys.ts';
import type { Mesh, NodeOptions, Stranger, TestNode } from '../../../support/mesh.ts';

type Body = Parameters<typeof signSettlement>[2];

const settle = (key: TestKey, body: Body) => signSettlement(key.signer, nodeCrypto, body);

const CREDIT = 1_000_000;

/**
 * Mallory has ordered paid work of Bob, who has done it and is owed a settlement. `lapsed`: the connection was lost for
 * longer than the grace before the result was delivered.
 */
async function owed(options: NodeOptions = {}, { lapsed = false } = {}) {
  const { mesh, b, m } = await target(options);
  const capsule = capsuleBy(mesh, mallory, lapsed ? { payload: { ms: 5_000 } } : {});
  const lease = leaseBy(mesh, capsule, bob);
  await m.say(b, orderOf(capsule, lease));
  if (lapsed) await part({ mesh, b, m });
  const receipt = b.result(capsule.id)?.receipt;
  if (!receipt) throw new Error('Bob has executed it');
  const { receiptHash } = receipt;
  const body: Body = { receiptHash, amount: 1, payer: mallory.identity, payee: bob.identity };
  const say = (from: Stranger, settlement: ReturnType<typeof settle>) =>
    from.say(b, { type: 'capsule_settlement', capsuleId: capsule.id, settlement });
  const open = (): boolean => b.record(capsule.id)?.open === true;
  return { mesh, b, m, capsule, lease, receipt, body, say, open };
}

/** Parts the two for longer than the grace. */
async function part({ mesh, b, m }: { mesh: Mesh; b: TestNode; m: Stranger }): Promise<void> {
  mesh.hub.partition([b.nodeId], [m.nodeId]);
  await mesh.advance(2_500);
  mesh.hub.heal();
  await m.network.dial(`/p2p/${b.nodeId}`);
  await mesh.settle();
  await mesh.advance(10_000);
}

describe('a settlement', () => {
  it('in order is stored and ends the delivery, for comparison', async () => {
    const { b, m, capsule, body, say, open } = await owed();
    expect(open()).toBe(true);
    await say(m, settle(mallory, body));
    expect(b.result(capsule.id)?.settlement).toEqual(settle(mallory, body));
    expect(open()).toBe(false);
  });

  const wrong: [string, (body: Body) => ReturnType<typeof settle>][] = [
    ['over less than the charge', (body) => settle(mallory, { ...body, amount: 0.5 })],
    ['over more than the charge', (body) => settle(mallory, { ...body, amount: 2 })],
    ['over another receipt', (body) => settle(mallory, { ...body, receiptHash: 'ab'.repeat(32) })],
    ['to another payee', (body) => settle(mallory, { ...body, payee: carol.identity })],
    ['by another payer', (body) => settle(carol, { ...body, payer: carol.identity })],
    [
      'that another signed',
      (body) => ({
        ...settle(mallory, body),
        signature: settle(carol, { ...body, payer: carol.identity }).signature,
      }),
    ],
  ];
  for (const [name, forge] of wrong) {
    it(`${name} is refused, and the right one still taken`, async () => {
      const { b, m, capsule, body, say, open } = await owed();
      await say(m, forge(body));
      expect(b.result(capsule.id)?.settlement).toBeNull();
      expect(open()).toBe(true);
      await say(m, settle(mallory, body));
      expect(open()).toBe(false);
    });
  }

  it("from a node that is not the payer's is refused", async () => {
    const { mesh, b, capsule, body, say, open } = await owed();
    const other = await mesh.stranger(carol);
    await say(other, settle(mallory, body));
    expect(b.result(capsule.id)?.settlement).toBeNull();
    expect(open()).toBe(true);
  });

  it('is not replaced by a mere word of having the result', async () => {
    const { b, m, capsule, open } = await owed();
    await m.say(b, { type: 'capsule_accept', capsuleId: capsule.id, of: 'result', epoch: 1 });
    expect(open()).toBe(true);
  });

  it('a second time changes nothing', async () => {
    const { b, m, body, say, capsule } = await owed();
    await say(m, settle(mallory, body));
    const before = await b.ledger.history({});
    await say(m, settle(mallory, body));
    expect(await b.ledger.history({})).toEqual(before);
    expect(b.result(capsule.id)?.settlement).toEqual(settle(mallory, body));
  });

  it('is not taken back by declining what it settled', async () => {
    const { b, m, capsule, body, say } = await owed();
    await say(m, settle(mallory, body));
    await m.say(b, decline(capsule.id, 'conflict', 'capsule_result'));
    expect(b.ledger.booked(`capsule:${capsule.id}`)).toBe(true);
    expect(b.ledger.booked(`reversal:${capsule.id}`)).toBe(false);
    expect(b.ledger.booked(`dispute:${capsule.id}`)).toBe(false);
  });

  it("is not replaced by a stranger's refusal", async () => {
    const { mesh, b, capsule, open } = await owed();
    const other = await mesh.stranger(carol);
    await other.say(b, decline(capsule.id, 'conflict', 'capsule_result'));
    await other.say(b, { type: 'capsule_accept', capsuleId: capsule.id, of: 'result', epoch: 1 });
    expect(b.balance(bob)).toBe(CREDIT);
    expect(open()).toBe(true);
  });

  it('that never comes leaves a debt that is disputed, and counts against the credit', async () => {
    const { mesh, b, capsule, open } = await owed({ creditLimit: 1 });
    await mesh.advance(7 * 86_400_000 + 1);
    expect(open()).toBe(false);
    expect(b.ledger.booked(`dispute:${capsule.id}`)).toBe(true);
    expect(b.balance(bob)).toBe(CREDIT);
    expect(b.ledger.canPay(mallory.identity, 1, false)).toBe(false);
  });
});

/** What a payer shows who has another result: Carol's, under a lease of the payer's own. */
function winnerOf({ mesh, capsule }: Awaited<ReturnType<typeof owed>>, changes: Partial<Assignment> = {}) {
  const lease = leaseBy(mesh, capsule, carol, mallory, { epoch: 2, ...changes });
  const { receipt } = resultBy(carol, capsule, lease);
  return { receipt, lease };
}

describe('a payer that has the result and says "conflict"', () => {
  const refuse = async (
    chain: Awaited<ReturnType<typeof owed>>,
    winner?: { receipt: Receipt; lease: Assignment },
    code = 'conflict',
  ) => {
    const { b, m, capsule, open } = chain;
    const shown = winner === undefined ? {} : { winner };
    await m.say(b, decline(capsule.id, code, 'capsule_result', shown));
    expect(open()).toBe(false);
    const [paid, reversed, disputed] = ['capsule', 'reversal', 'dispute'].map((kind) =>
      b.ledger.booked(`${kind}:${capsule.id}`),
    );
    expect(paid).toBe(true);
    return { reversed, disputed };
  };
  const DISPUTED = { reversed: false, disputed: true };
  const REVERSED = { reversed: true, disputed: false };

  it('without showing a winner keeps the debt, disputed, lapsed or not', async () => {
    expect(await refuse(await owed())).toEqual(DISPUTED);
    expect(await refuse(await owed({}, { lapsed: true }))).toEqual(DISPUTED);
  });

  it('and finds the receipt wrong keeps the debt, disputed', async () => {
    const chain = await owed();
    expect(await refuse(chain, winnerOf(chain), 'invalid_receipt')).toEqual(DISPUTED);
  });

  it('and shows a winner keeps the debt while the lease had not lapsed', async () => {
    const chain = await owed();
    expect(await refuse(chain, winnerOf(chain))).toEqual(DISPUTED);
    expect(chain.b.balance(bob)).toBe(CREDIT);
  });

  it('and shows a winner keeps the debt where it had hung up with the result in hand', async () => {
    const chain = await owed();
    expect(chain.m.of('capsule_result')).toHaveLength(1);
    await part(chain);
    expect(await refuse(chain, winnerOf(chain))).toEqual(DISPUTED);
  });

  it('and shows a winner keeps the debt where it had waited for a restart with the result in hand', async () => {
    const chain = await owed();
    await chain.mesh.advance(2_000);
    expect(chain.m.of('capsule_result').length).toBeGreaterThan(0);
    await chain.b.restart();
    await chain.mesh.advance(1);
    expect(await refuse(chain, winnerOf(chain))).toEqual(DISPUTED);
  });

  it('and shows a winner owes nothing where the executor died just when it sent the result', async () => {
    const chain = await owed();
    await chain.b.restart();
    expect(await refuse(chain, winnerOf(chain))).toEqual(REVERSED);
  });

  it('and shows a winner owes nothing where the lease had lapsed', async () => {
    const chain = await owed({}, { lapsed: true });
    expect(await refuse(chain, winnerOf(chain))).toEqual(REVERSED);
    expect(chain.b.balance(bob)).toBe(0);
    expect((await chain.b.ledger.verify()).problems).toEqual([]);
  });

  const noWinners: [
    string,
    (chain: Awaited<ReturnType<typeof owed>>) => { receipt: Receipt; lease: Assignment },
  ][] = [
    [
      'of a failure',
      (chain) => {
        const { lease } = winnerOf(chain);
        return { receipt: failureBy(carol, chain.capsule, lease).receipt, lease };
      },
    ],
    [
      'for another capsule',
      (chain) => {
        const capsule = capsuleBy(chain.mesh, mallory, { payload: { other: true } });
        return winnerOf({ ...chain, capsule });
      },
    ],
    [
      'under a lease that nobody signed',
      (chain) => {
        const {
          lease: { signature: _, ...lease },
          receipt,
        } = winnerOf(chain);
        return { receipt, lease };
      },
    ],
    [
      'under a lease of somebody else',
      (chain) => {
        const lease = leaseBy(chain.mesh, chain.capsule, carol, carol, { epoch: 2 });
        return { receipt: resultBy(carol, chain.capsule, lease).receipt, lease };
      },
    ],
    ["that is the executor's own", ({ receipt, lease }) => ({ receipt, lease })],
    [
      'whose receipt is tampered with',
      (chain) => {
        const { receipt, lease } = winnerOf(chain);
        return { receipt: { ...receipt, charge: 0.5 }, lease };
      },
    ],
  ];
  for (const [name, forge] of noWinners) {
    it(`and shows a winner ${name} keeps the debt, disputed, though the lease had lapsed`, async () => {
      const chain = await owed({}, { lapsed: true });
      expect(await refuse(chain, forge(chain))).toEqual(DISPUTED);
    });
  }

  it('has that much less credit, and is refused beyond it', async () => {
    const chain = await owed({ creditLimit: 2 });
    await refuse(chain);
    const { mesh, b, m } = chain;
    expect(b.ledger.disputed(mallory.identity)).toBe(CREDIT);
    const next = capsuleBy(mesh, mallory, { payload: { n: 2 } });
    await m.say(b, orderOf(next, leaseBy(mesh, next, bob)));
    expect(b.status(next.id)).toBe('completed');
    const third = capsuleBy(mesh, mallory, { payload: { n: 3 } });
    await m.say(b, orderOf(third, leaseBy(mesh, third, bob)));
    expect(m.of('capsule_decline').at(-1)).toMatchObject({ code: 'insufficient_credit' });
    expect(b.status(third.id)).toBe('unknown');
  });

  it('of free work owes nothing and ends the delivery', async () => {
    const { mesh, b, m } = await target();
    const capsule = freeBy(mesh, mallory);
    await m.say(b, orderOf(capsule, leaseBy(mesh, capsule, bob)));
    await m.say(b, decline(capsule.id, 'conflict', 'capsule_result'));
    expect(b.record(capsule.id)?.open).toBe(false);
    expect((await b.ledger.history({})).items).toEqual([]);
  });
});
