import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DatabaseLedger } from '../../../src/ledger/ledger.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { type KeyspaceName, keyspace } from '../../../src/store/keyspaces.ts';
import type { Database } from '../../../src/store/types.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const ACCOUNTS = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(64));
const account = fc.constantFrom(...ACCOUNTS);
/** Few references, so that many are booked again. */
const booking = fc.record({
  reference: fc.integer({ min: 0, max: 30 }).map((number) => `capsule:${number}`),
  debit: account,
  credit: account,
  microAmount: fc.integer({ min: 1, max: 1_000_000_000 }),
});
const grant = fc.record({
  id: fc.integer({ min: 0, max: 10 }).map(String),
  account,
  microAmount: fc.integer({ min: 1, max: 1_000_000_000 }),
});
type Operation =
  | { book: { reference: string; debit: string; credit: string; microAmount: number } }
  | { grant: { id: string; account: string; microAmount: number } };
const operation: fc.Arbitrary<Operation> = fc.oneof(
  booking.map((book) => ({ book })),
  grant.map((granted) => ({ grant: granted })),
);

/** Disputes and reversals of few payments, in any order. */
const claims = fc.array(
  fc.record({
    about: fc.constantFrom('book' as const, 'dispute' as const, 'reverse' as const),
    id: fc.integer({ min: 0, max: 5 }),
  }),
  { maxLength: 60 },
);

async function fill(
  operations: Operation[],
): Promise<{ db: Database; ledger: DatabaseLedger; model: Map<string, number> }> {
  const db = memoryTestDatabase();
  const ledger = new DatabaseLedger({ db, crypto: nodeCrypto, clock: new VirtualClock() });
  const booked = new Set<string>();
  const model = new Map<string, number>();
  for (const step of operations) {
    const { reference, debit, credit, microAmount } =
      'book' in step
        ? step.book
        : {
            reference: `grant:${step.grant.id}`,
            debit: 'operator',
            credit: step.grant.account,
            microAmount: step.grant.microAmount,
          };
    let accepted: boolean;
    if ('book' in step) {
      const tx = db.transaction();
      accepted = ledger.book(tx, { ...step.book, receiptHash: null });
      void tx.commit();
    } else {
      accepted = await ledger.grant(step.grant.account, step.grant.microAmount, step.grant.id);
    }
    expect(accepted).toBe(!booked.has(reference));
    if (!accepted) continue;
    booked.add(reference);
    model.set(debit, (model.get(debit) ?? 0) - microAmount);
    model.set(credit, (model.get(credit) ?? 0) + microAmount);
  }
  await db.flushed();
  return { db, ledger, model };
}

describe('ledger', () => {
  it('always adds up, and books no reference twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 80 }), async (operations) => {
        const { ledger, model } = await fill(operations);
        const balances = await ledger.balances(100);
        expect(new Map(balances.map(({ account, microBalance }) => [account, microBalance]))).toEqual(model);
        expect(balances.reduce((sum, { microBalance }) => sum + microBalance, 0)).toBe(0);
        expect(await ledger.verify()).toMatchObject({ ok: true, problems: [] });
        for (const owner of [...ACCOUNTS, 'operator']) {
          const entries = await ledger.entriesWith(owner, 1, 500);
          const sum = entries.reduce(
            (total, { debit, credit, microAmount }) =>
              total + (credit === owner ? microAmount : 0) - (debit === owner ? microAmount : 0),
            0,
          );
          expect(sum).toBe(ledger.balance(owner));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('knows what is disputed, whatever was disputed and taken back, and verifies', async () => {
    const [payer = '', payee = ''] = ACCOUNTS;
    await fc.assert(
      fc.asyncProperty(claims, async (steps) => {
        const { db, ledger } = await fill([]);
        const states = new Map<number, 'book' | 'dispute' | 'reverse'>();
        for (const { about, id } of steps) {
          const tx = db.transaction();
          const reference = `capsule:${id}`;
          const done =
            about === 'book'
              ? ledger.book(tx, {
                  reference,
                  debit: payer,
                  credit: payee,
                  microAmount: id + 1,
                  receiptHash: null,
                })
              : ledger[about](tx, reference);
          await tx.commit();
          const before = states.get(id);
          const may =
            about === 'book'
              ? before === undefined
              : before === 'book' || (before === 'dispute' && about === 'reverse');
          expect(done).toBe(may);
          if (done) states.set(id, about);
        }
        const owed = [...states].filter(([, state]) => state !== 'reverse');
        const sum = (of: typeof owed) => of.reduce((total, [id]) => total + id + 1, 0);
        expect(ledger.balance(payer)).toBe(0 - sum(owed));
        expect(ledger.disputed(payer)).toBe(sum(owed.filter(([, state]) => state === 'dispute')));
        expect((await ledger.verify()).problems).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  const SPACES: KeyspaceName[] = ['ledgerEntries', 'ledgerReferences', 'ledgerBalances', 'ledgerByAccount'];

  async function rowsOf(db: Database, name: KeyspaceName): Promise<[string, unknown][]> {
    const rows: [string, unknown][] = [];
    for await (const row of db.scan(keyspace<unknown>(name), {})) rows.push(row);
    return rows;
  }

  async function write(db: Database, name: KeyspaceName, rows: [string, unknown][]): Promise<void> {
    const tx = db.transaction();
    for (const [key, value] of rows) {
      if (value === undefined) tx.delete(keyspace(name), key);
      else tx.put(keyspace<unknown>(name), key, value);
    }
    await tx.commit();
  }

  const entries = fc.uniqueArray(booking, {
    minLength: 3,
    maxLength: 15,
    selector: ({ reference }) => reference,
  });

  it('finds any row that was deleted from the database', async () => {
    await fc.assert(
      fc.asyncProperty(entries, fc.constantFrom(...SPACES), fc.nat(), async (bookings, name, pick) => {
        const { db, ledger } = await fill(bookings.map((book) => ({ book })));
        const rows = await rowsOf(db, name);
        const [key = '', value] = rows[pick % rows.length] ?? [];
        // A balance of 0 says what no balance says.
        fc.pre(value !== 0);
        await write(db, name, [[key, undefined]]);
        expect((await ledger.verify()).problems).not.toEqual([]);
      }),
    );
  });

  it('finds any edit of an entry', async () => {
    const edit = fc.oneof(
      fc.record({
        field: fc.constantFrom('sequence', 'microAmount', 'at'),
        value: fc.oneof(fc.integer(), fc.constant(null), fc.string()),
      }),
      fc.record({
        field: fc.constantFrom(
          'reference',
          'debit',
          'credit',
          'receiptHash',
          'previousHash',
          'entryHash',
          'added',
        ),
        value: fc.oneof(fc.string(), account, fc.constantFrom(null, {}, [])),
      }),
    );
    await fc.assert(
      fc.asyncProperty(entries, edit, fc.nat(), async (bookings, { field, value }, pick) => {
        const { db, ledger } = await fill(bookings.map((book) => ({ book })));
        const rows = await rowsOf(db, 'ledgerEntries');
        const [key = '', entry] = rows[pick % rows.length] ?? [];
        const edited = { ...(entry as Record<string, unknown>), [field]: value };
        fc.pre(JSON.stringify(edited) !== JSON.stringify(entry));
        await write(db, 'ledgerEntries', [[key, edited]]);
        expect((await ledger.verify()).ok).toBe(false);
      }),
    );
  });

  it('finds entries that changed places, and entries whose content changed places', async () => {
    await fc.assert(
      fc.asyncProperty(entries, fc.nat(), fc.nat(), fc.boolean(), async (bookings, a, b, renumbered) => {
        const { db, ledger } = await fill(bookings.map((book) => ({ book })));
        const rows = await rowsOf(db, 'ledgerEntries');
        const [first, second] = [rows[a % rows.length], rows[b % rows.length]];
        if (first === undefined || second === undefined) throw new Error('No rows.');
        fc.pre(first !== second);
        const as = (value: unknown, key: string) =>
          renumbered ? { ...(value as Record<string, unknown>), sequence: Number(key) } : value;
        await write(db, 'ledgerEntries', [
          [first[0], as(second[1], first[0])],
          [second[0], as(first[1], second[0])],
        ]);
        expect((await ledger.verify()).ok).toBe(false);
      }),
    );
  });

  it('finds an edited balance, also where the sum of all stays 0, and anything that is no entry', async () => {
    await fc.assert(
      fc.asyncProperty(entries, fc.integer({ min: 1, max: 1_000 }), async (bookings, shift) => {
        const { db, ledger } = await fill(bookings.map((book) => ({ book })));
        const balances = (await rowsOf(db, 'ledgerBalances')) as [string, number][];
        const [one, two] = balances;
        fc.pre(one !== undefined && two !== undefined);
        await write(db, 'ledgerBalances', [
          [one?.[0] ?? '', (one?.[1] ?? 0) + shift],
          [two?.[0] ?? '', (two?.[1] ?? 0) - shift],
        ]);
        expect((await ledger.verify()).ok).toBe(false);
      }),
      { numRuns: 30 },
    );
    for (const garbage of [null, 5, 'text', [], {}]) {
      const { db, ledger } = await fill([]);
      await write(db, 'ledgerEntries', [['0000000000000001', garbage]]);
      expect((await ledger.verify()).ok).toBe(false);
    }
  });

  it('finds entries that were rewritten together with their hashes and links', async () => {
    const { db, ledger } = await fill([
      {
        book: { reference: 'capsule:1', debit: ACCOUNTS[0] ?? '', credit: ACCOUNTS[1] ?? '', microAmount: 5 },
      },
      {
        book: { reference: 'capsule:2', debit: ACCOUNTS[0] ?? '', credit: ACCOUNTS[1] ?? '', microAmount: 6 },
      },
    ]);
    const forged = await fill([
      {
        book: {
          reference: 'capsule:1',
          debit: ACCOUNTS[0] ?? '',
          credit: ACCOUNTS[1] ?? '',
          microAmount: 50,
        },
      },
      {
        book: { reference: 'capsule:2', debit: ACCOUNTS[0] ?? '', credit: ACCOUNTS[1] ?? '', microAmount: 6 },
      },
    ]);
    await write(db, 'ledgerEntries', await rowsOf(forged.db, 'ledgerEntries'));
    expect((await ledger.verify()).ok).toBe(false);
  });
});
