import { describe, expect, it } from 'vitest';
import { compareBooks, type Difference } from '../../../src/ledger/reconcile.ts';
import type { LedgerEntry } from '../../../src/ledger/types.ts';
import { ownBook, pagesOf } from '../../support/compared-books.ts';

const ALICE = 'a'.repeat(64);
const BOB = 'b'.repeat(64);

function entry(reference: string, fields: Partial<LedgerEntry> = {}): LedgerEntry {
  const hash = '0'.repeat(64);
  return {
    sequence: 1,
    reference,
    debit: ALICE,
    credit: BOB,
    microAmount: 5,
    receiptHash: null,
    at: 1,
    previousHash: hash,
    entryHash: hash,
    ...fields,
  };
}

/** Numbered as each book would. */
async function reconcile(mine: LedgerEntry[], theirs: LedgerEntry[]): Promise<Difference[]> {
  const numbered = mine.map((each, index) => ({ ...each, sequence: index + 1 }));
  const { differences } = await compareBooks(ownBook(numbered), pagesOf(theirs));
  return differences;
}

describe('reconcile', () => {
  it('finds books that agree to agree, whatever their order, numbers and times', async () => {
    const mine = [entry('capsule:1'), entry('capsule:2', { sequence: 2 })];
    const theirs = [
      entry('capsule:2', { at: 9, entryHash: 'f'.repeat(64) }),
      entry('capsule:1', { sequence: 7 }),
    ];
    expect(await reconcile(mine, theirs)).toEqual([]);
    expect(await reconcile([], [])).toEqual([]);
  });

  it('names what is missing on either side and what differs, by reference', async () => {
    const mine = {
      one: entry('capsule:1'),
      three: entry('capsule:3', { microAmount: 6 }),
      four: entry('capsule:4', { debit: BOB, credit: ALICE }),
      five: entry('capsule:5'),
    };
    const theirs = {
      two: entry('capsule:2'),
      three: entry('capsule:3'),
      four: entry('capsule:4', { microAmount: 9 }),
      five: entry('capsule:5'),
    };
    const here = ({ debit, microAmount }: LedgerEntry) => ({ debit, microAmount });
    expect(await reconcile(Object.values(mine), Object.values(theirs))).toMatchObject([
      { reference: 'capsule:1', kind: 'missing_there', mine: here(mine.one) },
      { reference: 'capsule:2', kind: 'missing_here', theirs: theirs.two },
      { reference: 'capsule:3', kind: 'amount_differs', mine: here(mine.three), theirs: theirs.three },
      { reference: 'capsule:4', kind: 'parties_differ', mine: here(mine.four), theirs: theirs.four },
    ]);
  });

  it('finds no difference in what one book took back and the other never had', async () => {
    const payment = entry('capsule:1');
    const reversal = entry('reversal:1', { debit: BOB, credit: ALICE });
    expect(await reconcile([payment, reversal], [])).toEqual([]);
    expect(await reconcile([], [payment, reversal])).toEqual([]);
    const kinds = async (mine: LedgerEntry[], theirs: LedgerEntry[]) =>
      (await reconcile(mine, theirs)).map(({ kind }) => kind);
    expect(await kinds([payment, reversal], [payment])).toEqual(['missing_there']);
    expect(await kinds([payment, { ...reversal, microAmount: 4 }], [])).toEqual([
      'missing_there',
      'missing_there',
    ]);
    expect(await kinds([reversal], [])).toEqual(['missing_there']);
    expect(await kinds([], [reversal])).toEqual(['missing_here']);
    expect(await kinds([payment], [payment, reversal])).toEqual(['missing_here']);
  });

  it('compares no opinions', async () => {
    const [payment, dispute] = [entry('capsule:1'), entry('dispute:1', { microAmount: 0 })];
    expect(await reconcile([payment, dispute], [payment])).toEqual([]);
    expect(await reconcile([payment], [payment, dispute])).toEqual([]);
  });

  it('counts one entry once, however often the other names it', async () => {
    const mine = [entry('capsule:1'), entry('capsule:2')];
    const theirs = Array.from({ length: 5 }, () => entry('capsule:1'));
    expect((await reconcile(mine, theirs)).map(({ reference }) => reference)).toEqual(['capsule:2']);
  });

  it('keeps no more differences than it can name, and counts the others', async () => {
    async function* endless(): AsyncGenerator<LedgerEntry[]> {
      for (let n = 0; n < 12_000; n++) yield [entry(`capsule:${n}`)];
    }
    const { differences, more, there } = await compareBooks(ownBook([]), endless());
    expect([differences.length, more, there]).toEqual([10_000, 2_000, 12_000]);
  });
});
