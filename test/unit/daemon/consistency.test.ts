import { describe, expect, it } from 'vitest';
import type { Receipt } from '../../../protocols/receipt/v1/schema.ts';
import { checkConsistency } from '../../../src/daemon/consistency.ts';
import { DatabaseLedger } from '../../../src/ledger/ledger.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { alice, bob } from '../../support/keys.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const ID = '1'.repeat(64);
const HASH = '2'.repeat(64);

describe('checkConsistency', () => {
  /** bob's node, which did one capsule for alice, as far as its store still knows. */
  async function storeWith(rows: { receipt?: boolean; booking?: boolean; capsule?: string }): Promise<void> {
    const db = memoryTestDatabase();
    const ledger = new DatabaseLedger({ db, crypto: nodeCrypto, clock: new VirtualClock() });
    if (rows.booking === true) {
      const tx = db.transaction();
      const parties = { debit: alice.identity, credit: bob.identity };
      ledger.book(tx, { reference: `capsule:${ID}`, ...parties, microAmount: 5, receiptHash: HASH });
      await tx.commit();
    }
    const receipt: Pick<Receipt, 'capsuleId' | 'charge' | 'receiptHash'> = {
      capsuleId: ID,
      charge: 5,
      receiptHash: HASH,
    };
    const listed = rows.receipt === true ? [{ sequence: 1, receipt }] : [];
    await checkConsistency({
      receipts: {
        list: async () => ({ items: listed }),
        get: async (hash) => listed.find((each) => each.receipt.receiptHash === hash)?.receipt,
      },
      ledger,
      capsules: { get: () => (rows.capsule === undefined ? undefined : { originIdentity: rows.capsule }) },
      identity: bob.identity,
    });
  }
  const refused = (lost: RegExp) => ({ code: 'storage_failed', message: expect.stringMatching(lost) });

  it('passes what belongs together', async () => {
    await storeWith({ receipt: true, booking: true, capsule: alice.identity });
    await storeWith({});
  });

  it('refuses a receipt whose booking is missing, where its capsule says that somebody owes it', async () => {
    const lost = refused(/receipt 1 earned 5 credits that the ledger does not have/);
    await expect(storeWith({ receipt: true, capsule: alice.identity })).rejects.toMatchObject(lost);
    await storeWith({ receipt: true, capsule: bob.identity });
    await storeWith({ receipt: true });
  });

  it('refuses a booking whose receipt is missing', async () => {
    const lost = refused(/entry 1 of the ledger is for receipt 2+, which is missing/);
    await expect(storeWith({ booking: true, capsule: alice.identity })).rejects.toMatchObject(lost);
  });
});
