import { beforeEach, describe, expect, it } from 'vitest';
import { DatabaseLedger } from '../../../src/ledger/ledger.ts';
import type { LedgerEntry, NewEntry } from '../../../src/ledger/types.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { canonicalJson } from '../../../src/lib/json.ts';
import { type KeyspaceName, keyspace } from '../../../src/store/keyspaces.ts';
import { sequenceKey } from '../../../src/store/numbered-rows.ts';
import type { Database, Transaction } from '../../../src/store/types.ts';
import { memoryTestDatabase, openTestDatabase } from '../../support/database.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const ALICE = 'a'.repeat(64);
const BOB = 'b'.repeat(64);
const CAROL = 'c'.repeat(64);
const CREDIT = 1_000_000;
const disputed = keyspace<number>('ledgerDisputed');

describe('DatabaseLedger', () => {
  let db: Database;
  let ledger: DatabaseLedger;
  beforeEach(() => {
    db = memoryTestDatabase();
    ledger = open();
  });

  function open(creditLimit?: number, from = db): DatabaseLedger {
    const init = creditLimit === undefined ? {} : { creditLimit: () => creditLimit };
    return new DatabaseLedger({ db: from, crypto: nodeCrypto, clock: new VirtualClock() }, init);
  }

  async function book(
    reference: string,
    microAmount: number,
    parties: Partial<NewEntry> = {},
  ): Promise<boolean> {
    const tx = db.transaction();
    const entry = { reference, debit: ALICE, credit: BOB, microAmount, receiptHash: null, ...parties };
    const booked = ledger.book(tx, entry);
    await tx.commit();
    return booked;
  }

  it('moves the amount from one account to the other', async () => {
    expect(await book('capsule:1', 5 * CREDIT)).toBe(true);
    expect([ledger.balance(ALICE), ledger.balance(BOB), ledger.balance(CAROL)]).toEqual([
      -5 * CREDIT,
      5 * CREDIT,
      0,
    ]);
    expect(await ledger.balances(10)).toEqual([
      { account: ALICE, microBalance: -5 * CREDIT, microDisputed: 0 },
      { account: BOB, microBalance: 5 * CREDIT, microDisputed: 0 },
    ]);
    expect(await ledger.balances(1)).toHaveLength(1);
  });

  it('reads on for nobody: verifying and history end with their signal', async () => {
    await book('capsule:1', 5);
    const signal = AbortSignal.abort();
    await expect(ledger.verify({ signal })).rejects.toMatchObject({ code: 'cancelled' });
    await expect(ledger.history({ signal })).rejects.toMatchObject({ code: 'cancelled' });
    expect(await ledger.verify({ signal: new AbortController().signal })).toMatchObject({ ok: true });
  });

  it('books a reference once ever, whatever the second booking says', async () => {
    expect(ledger.booked('capsule:1')).toBe(false);
    await book('capsule:1', 5);
    expect(ledger.booked('capsule:1')).toBe(true);
    expect(await book('capsule:1', 7, { debit: CAROL })).toBe(false);
    const tx = db.transaction();
    const entry = { reference: 'capsule:2', debit: ALICE, credit: BOB, microAmount: 1, receiptHash: null };
    expect([ledger.book(tx, entry), ledger.book(tx, entry), ledger.booked('capsule:2', tx)]).toEqual([
      true,
      false,
      true,
    ]);
    await tx.commit();
    expect([ledger.balance(ALICE), ledger.balance(CAROL)]).toEqual([-6, 0]);
    expect((await ledger.verify()).entries).toBe(2);
  });

  it('leaves nothing of a booking that was not committed', async () => {
    const tx = db.transaction();
    ledger.book(tx, { reference: 'capsule:1', debit: ALICE, credit: BOB, microAmount: 5, receiptHash: null });
    expect(ledger.balance(ALICE, tx)).toBe(-5);
    expect([ledger.balance(ALICE), ledger.booked('capsule:1')]).toEqual([0, false]);
    expect(await ledger.verify()).toEqual({ ok: true, entries: 0, problems: [] });
  });

  it('links entries by their hashes, from a chain of zeros on', async () => {
    await book('capsule:1', 5, { receiptHash: 'f'.repeat(64) });
    await book('capsule:2', 6);
    const [second, first] = (await ledger.history({})).items;
    expect(first).toMatchObject({ sequence: 1, previousHash: '0'.repeat(64), receiptHash: 'f'.repeat(64) });
    expect(second).toMatchObject({ sequence: 2, previousHash: first?.entryHash });
    const { entryHash, ...unhashed } = second ?? { entryHash: '' };
    expect(entryHash).toBe(nodeCrypto.sha256Hex(canonicalJson(unhashed)));
  });

  it.each([0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])(
    'refuses the amount %d',
    async (microAmount) => {
      await expect(book('capsule:1', microAmount)).rejects.toMatchObject({ code: 'invalid_request' });
      expect(ledger.booked('capsule:1')).toBe(false);
    },
  );

  it.each(['', 'alice', 'A'.repeat(64), `${ALICE}:`, '__proto__'])(
    'refuses the account %j',
    async (account) => {
      await expect(book('capsule:1', 1, { debit: account })).rejects.toMatchObject({
        code: 'invalid_request',
      });
      await expect(book('capsule:1', 1, { credit: account })).rejects.toMatchObject({
        code: 'invalid_request',
      });
      await expect(ledger.grant(account, 1, 'x')).rejects.toMatchObject({ code: 'invalid_request' });
    },
  );

  it.each(['', 'x'.repeat(129)])('refuses the reference %j', async (reference) => {
    await expect(book(reference, 1)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('refuses what would make a balance inexact', async () => {
    await book('capsule:1', Number.MAX_SAFE_INTEGER);
    await expect(book('capsule:2', 1)).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(book('capsule:3', 1, { debit: CAROL })).rejects.toMatchObject({ code: 'invalid_request' });
    expect((await ledger.verify()).ok).toBe(true);
  });

  it('grants credit from the operator, once per id', async () => {
    expect(await ledger.grant(ALICE, 3 * CREDIT, 'first')).toBe(true);
    expect(await ledger.grant(ALICE, 3 * CREDIT, 'first')).toBe(false);
    expect(await ledger.grant(ALICE, CREDIT, 'second')).toBe(true);
    expect([ledger.balance(ALICE), ledger.balance('operator')]).toEqual([4 * CREDIT, -4 * CREDIT]);
    expect(ledger.booked('grant:first')).toBe(true);
  });

  it('keeps its books when an account pays itself', async () => {
    await book('capsule:1', 5, { credit: ALICE });
    expect(ledger.balance(ALICE)).toBe(0);
    expect(await ledger.entriesWith(ALICE, 1, 10)).toHaveLength(1);
    expect(await ledger.verify()).toMatchObject({ ok: true, entries: 1 });
  });

  describe('canPay', () => {
    it('lets an unknown origin owe up to the credit limit', () => {
      expect(ledger.canPay(ALICE, 1_000 * CREDIT, false)).toBe(true);
      expect(ledger.canPay(ALICE, 1_000 * CREDIT + 1, false)).toBe(false);
      expect(open(0).canPay(ALICE, 1, false)).toBe(false);
      expect(open(2).canPay(ALICE, 2 * CREDIT, false)).toBe(true);
      expect(ledger.canPay(ALICE, Number.NaN, false)).toBe(false);
    });

    it('wants the balance to cover a prepaid amount', async () => {
      expect(ledger.canPay(ALICE, 1, true)).toBe(false);
      await ledger.grant(ALICE, CREDIT, 'g');
      expect(ledger.canPay(ALICE, CREDIT, true)).toBe(true);
      expect(ledger.canPay(ALICE, CREDIT + 1, true)).toBe(false);
      expect(ledger.canPay(ALICE, 1_001 * CREDIT, false)).toBe(true);
    });

    it('counts what is reserved as spent, until it is released', () => {
      const small = open(10);
      small.reserve('one', ALICE, 6 * CREDIT);
      expect(small.canPay(ALICE, 5 * CREDIT, false)).toBe(false);
      expect(small.canPay(ALICE, 4 * CREDIT, false)).toBe(true);
      expect(small.canPay(BOB, 10 * CREDIT, false)).toBe(true);
      small.reserve('one', ALICE, CREDIT);
      expect(small.canPay(ALICE, 9 * CREDIT, false)).toBe(true);
      small.reserve('two', ALICE, CREDIT);
      expect(small.canPay(ALICE, 9 * CREDIT, false)).toBe(false);
      for (const id of ['one', 'two', 'two', 'unknown']) small.release(id);
      expect(small.canPay(ALICE, 10 * CREDIT, false)).toBe(true);
    });
  });

  it('asks what each identity may owe', () => {
    const limits = new Map([
      [ALICE, 7],
      [BOB, 0],
    ]);
    const init = { creditLimit: (identity: string) => limits.get(identity) ?? 1 };
    const some = new DatabaseLedger({ db, crypto: nodeCrypto, clock: new VirtualClock() }, init);
    const most = [ALICE, BOB, CAROL].map((identity) =>
      [0, 1, 7, 8].filter((credits) => some.canPay(identity, credits * CREDIT, false)).at(-1),
    );
    expect(most).toEqual([7, 0, 1]);
  });

  describe('a dispute', () => {
    const inOneBatch = async (write: (tx: Transaction) => boolean): Promise<boolean> => {
      const tx = db.transaction();
      const done = write(tx);
      await tx.commit();
      return done;
    };
    const dispute = (reference: string) => inOneBatch((tx) => ledger.dispute(tx, reference));
    const reverse = (reference: string) => inOneBatch((tx) => ledger.reverse(tx, reference));

    it('leaves the debt, names it, and is said once', async () => {
      await book('capsule:1', 5 * CREDIT);
      await book('capsule:2', 3 * CREDIT);
      expect(await dispute('capsule:1')).toBe(true);
      expect(await dispute('capsule:1')).toBe(false);
      expect([ledger.balance(ALICE), ledger.disputed(ALICE), ledger.disputed(BOB)]).toEqual([
        -8 * CREDIT,
        5 * CREDIT,
        0,
      ]);
      expect(await ledger.balances(1)).toEqual([
        { account: ALICE, microBalance: -8 * CREDIT, microDisputed: 5 * CREDIT },
      ]);
      expect(open(8).canPay(ALICE, 1, false)).toBe(false);
      const [newest] = (await ledger.history({ account: ALICE })).items;
      expect(newest).toMatchObject({ reference: 'dispute:1', debit: ALICE, credit: BOB, microAmount: 0 });
      expect(await ledger.verify()).toEqual({ ok: true, entries: 3, problems: [] });
    });

    it('ends with the reversal, which is booked once', async () => {
      for (const id of ['1', '2']) await book(`capsule:${id}`, 5);
      await dispute('capsule:1');
      expect([await reverse('capsule:1'), await reverse('capsule:1')]).toEqual([true, false]);
      expect(await reverse('capsule:2')).toBe(true);
      expect([ledger.balance(ALICE), ledger.balance(BOB), ledger.disputed(ALICE)]).toEqual([0, 0, 0]);
      expect(await dispute('capsule:1')).toBe(false);
      expect(ledger.entry('reversal:1')).toMatchObject({ debit: BOB, credit: ALICE, microAmount: 5 });
      expect(await ledger.verify()).toEqual({ ok: true, entries: 5, problems: [] });
    });

    it.each(['capsule:9', 'grant:g', 'reversal:1', 'dispute:1', 'capsule:', '1'])(
      'is not of %s',
      async (reference) => {
        await ledger.grant(ALICE, 5, 'g');
        await book('capsule:1', 5);
        await reverse('capsule:1');
        expect([await dispute(reference), await reverse(reference)]).toEqual([false, false]);
        expect((await ledger.verify()).entries).toBe(3);
      },
    );

    it.each([
      ['a sum that is gone', (tx: Transaction) => tx.delete(disputed, ALICE), /disputes nothing/],
      ['another sum', (tx: Transaction) => tx.put(disputed, ALICE, 6), /disputes 6; .* add up to 5/],
      ['a sum of nothing', (tx: Transaction) => tx.put(disputed, CAROL, 6), /disputes 6; .* add up to 0/],
    ])('shows %s', async (_name, write, problem) => {
      await book('capsule:1', 5);
      await dispute('capsule:1');
      const tx = db.transaction();
      write(tx);
      await tx.commit();
      expect((await ledger.verify()).problems.join()).toMatch(problem);
    });
  });

  it('writes five rows for what this node earns, and finds its own entries all the same', async () => {
    const own = { self: BOB };
    ledger = new DatabaseLedger({ db, crypto: nodeCrypto, clock: new VirtualClock() }, own);
    for (const id of ['1', '2', '3']) await book(`capsule:${id}`, 5);
    await book('capsule:4', 5, { debit: ALICE, credit: CAROL });
    const rows = async (name: KeyspaceName): Promise<number> => {
      let count = 0;
      for await (const _ of db.scan(keyspace(name), {})) count++;
      return count;
    };
    const spaces = ['ledgerEntries', 'ledgerReferences', 'ledgerBalances', 'ledgerByAccount'] as const;
    expect(await Promise.all(spaces.map(rows))).toEqual([4, 4, 3, 5]);
    const of = async (account: string) =>
      (await ledger.history({ account, limit: 2 })).items.map(({ sequence }) => sequence);
    expect([await of(BOB), await of(ALICE), await of(CAROL)]).toEqual([[3, 2], [4, 3], [4]]);
    expect((await ledger.entriesWith(BOB, 2, 10)).map(({ sequence }) => sequence)).toEqual([2, 3]);
    expect(await ledger.verify()).toEqual({ ok: true, entries: 4, problems: [] });
  });

  it('refuses the second of two bookings at once, and goes on from the first', async () => {
    const both = ['capsule:1', 'capsule:2'].map((reference) => {
      const tx = db.transaction();
      ledger.book(tx, { reference, debit: ALICE, credit: BOB, microAmount: 1, receiptHash: null });
      return tx;
    });
    const commits = await Promise.allSettled(both.map((tx) => tx.commit()));
    expect(commits.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    await book('capsule:3', 1);
    expect(await ledger.verify()).toEqual({ ok: true, entries: 2, problems: [] });
  });

  describe('history', () => {
    beforeEach(async () => {
      for (let count = 1; count <= 12; count++) {
        const parties = count % 3 === 0 ? { debit: CAROL } : {};
        await book(`capsule:${count}`, count, parties);
      }
    });

    async function pages(account?: string): Promise<number[][]> {
      const found: number[][] = [];
      let cursor: string | null = null;
      do {
        const options = {
          limit: 4,
          ...(account !== undefined && { account }),
          ...(cursor !== null && { cursor }),
        };
        const page = await ledger.history(options);
        found.push(page.items.map(({ sequence }) => sequence));
        cursor = page.cursor;
      } while (cursor !== null);
      return found;
    }

    it('gives the newest first, in pages', async () => {
      expect(await pages()).toEqual([
        [12, 11, 10, 9],
        [8, 7, 6, 5],
        [4, 3, 2, 1],
      ]);
    });

    it('gives the entries of one account', async () => {
      expect(await pages(CAROL)).toEqual([[12, 9, 6, 3]]);
      expect(await pages(ALICE)).toEqual([
        [11, 10, 8, 7],
        [5, 4, 2, 1],
      ]);
      expect(await pages('d'.repeat(64))).toEqual([[]]);
    });

    it('gives the entries of an account from a sequence on, oldest first', async () => {
      const found = await ledger.entriesWith(CAROL, 4, 2);
      expect(found.map(({ sequence }) => sequence)).toEqual([6, 9]);
    });

    it.each(['x', '-1', '1e3', ''])('refuses the cursor %j', async (cursor) => {
      await expect(ledger.history({ cursor })).rejects.toMatchObject({ code: 'invalid_request' });
    });
  });

  it('goes on where it was when the node starts again', async () => {
    const test = await openTestDatabase();
    const durable = open(undefined, test.db);
    await durable.start();
    await durable.grant(ALICE, 5, 'one');
    await durable.grant(ALICE, 6, 'two');
    expect(await open(undefined, test.db).grant(ALICE, 6, 'two')).toBe(false);
    const again = open(undefined, test.db);
    await again.start();
    expect(await again.grant(ALICE, 7, 'three')).toBe(true);
    expect(await durable.verify()).toEqual({ ok: true, entries: 3, problems: [] });
    await test.close();
  });

  describe('a start', () => {
    const entries = keyspace<LedgerEntry>('ledgerEntries');
    const references = keyspace<number>('ledgerReferences');
    const balances = keyspace<number>('ledgerBalances');

    it.each<[string, (tx: Transaction) => void, RegExp]>([
      [
        'an end that was noted',
        (tx) => tx.delete(entries, sequenceKey(40)),
        /entries 40 to 40 of the ledger/,
      ],
      ['all of the book', (tx) => deleteEntries(tx, 1, 40), /entries 1 to 40 of the ledger/],
      ['an entry near the end', (tx) => tx.delete(entries, sequenceKey(38)), /Entry 39 follows entry 37/],
      [
        'the reference of one',
        (tx) => tx.delete(references, 'capsule:40'),
        /not the one booked for capsule:40/,
      ],
      ['a balance', (tx) => tx.delete(balances, BOB), /the balance of b+ is missing/],
      [
        'a readable entry',
        (tx) => tx.put(entries, sequenceKey(39), JSON.parse('7')),
        /entry 39 .*cannot be read/,
      ],
    ])('is refused without %s', async (_name, lose, lost) => {
      for (let count = 1; count <= 40; count++) await book(`capsule:${count}`, 1);
      await ledger.start();
      await ledger.stop();
      const tx = db.transaction();
      lose(tx);
      await tx.commit();
      await expect(open().start()).rejects.toMatchObject({
        code: 'storage_failed',
        message: expect.stringMatching(lost),
      });
    });

    it('looks at the end alone, and takes a book that was never noted', async () => {
      for (let count = 1; count <= 40; count++) await book(`capsule:${count}`, 1);
      const tx = db.transaction();
      tx.delete(entries, sequenceKey(1));
      await tx.commit();
      await open().start();
      expect((await ledger.verify()).ok).toBe(false);
    });

    function deleteEntries(tx: Transaction, from: number, to: number): void {
      for (let sequence = from; sequence <= to; sequence++) tx.delete(entries, sequenceKey(sequence));
    }
  });

  it('verifies while bookings go on', async () => {
    for (let count = 0; count < 20; count++) await book(`capsule:${count}`, 1);
    const verification = ledger.verify();
    const more: Promise<boolean>[] = [];
    for (let count = 20; count < 60; count++) more.push(book(`capsule:${count}`, 1));
    expect(await verification).toMatchObject({ ok: true });
    await Promise.all(more);
    expect(await ledger.verify()).toMatchObject({ ok: true, entries: 60 });
  });
});
