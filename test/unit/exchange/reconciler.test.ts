import { describe, expect, it } from 'vitest';
import type { ExchangeMessage } from '../../../protocols/messages/v1/schema.ts';
import { Reconciler } from '../../../src/exchange/reconciler.ts';
import { DatabaseLedger } from '../../../src/ledger/ledger.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { memoryTestDatabase, silentLog } from '../../support/database.ts';
import { alice, bob, mallory } from '../../support/keys.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

/** Bob's side; what it sends is in `sent`. */
async function answering() {
  const clock = new VirtualClock();
  const db = memoryTestDatabase();
  const ledger = new DatabaseLedger({ db, crypto: nodeCrypto, clock });
  const tx = db.transaction();
  const payment = { debit: alice.identity, credit: bob.identity, microAmount: 1, receiptHash: null };
  ledger.book(tx, { reference: 'capsule:1', ...payment });
  ledger.dispute(tx, 'capsule:1');
  await tx.commit();
  let read = 0;
  const counting = {
    entriesWith: (...options: Parameters<DatabaseLedger['entriesWith']>) => {
      read++;
      return ledger.entriesWith(...options);
    },
  };
  const sent: { to: string; message: ExchangeMessage }[] = [];
  const network = { send: async (to: string, message: ExchangeMessage) => void sent.push({ to, message }) };
  const reconciler = new Reconciler({ ledger: counting, network, clock, signer: bob.signer, log: silentLog });
  const ask = (from: string) =>
    void reconciler.onQuery(from, { type: 'ledger_query', exchangeId: 'ledger-1', from: 0 });
  return { clock, sent, ask, reads: () => read };
}

describe('questions about the ledger', () => {
  it('are answered without what is no booking', async () => {
    const { ask, sent } = await answering();
    ask(alice.nodeId);
    await settle();
    expect(sent).toMatchObject([
      { to: alice.nodeId, message: { entries: [{ reference: 'capsule:1' }], next: null } },
    ]);
  });

  it('cost a node nothing beyond a few a second, however many come', async () => {
    const { ask, clock, sent, reads } = await answering();
    for (let n = 0; n < 20_000; n++) ask(mallory.nodeId);
    await settle();
    expect(reads()).toBe(1);
    for (let second = 0; second < 10; second++) {
      for (let n = 0; n < 100; n++) {
        ask(mallory.nodeId);
        await settle();
      }
      await clock.advance(1_000);
    }
    expect(reads()).toBeLessThanOrEqual(16 + 10 * 8);
    const before = sent.length;
    ask(alice.nodeId);
    await settle();
    expect(sent.slice(before).map(({ to }) => to)).toEqual([alice.nodeId]);
  });

  it('one after the other are answered for as long as it takes', async () => {
    const { ask, clock, sent } = await answering();
    for (let n = 0; n < 60; n++) {
      ask(alice.nodeId);
      await clock.advance(130);
    }
    expect(sent).toHaveLength(60);
  });
});
