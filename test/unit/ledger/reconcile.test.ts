import { describe, expect, it } from 'vitest';
import { reconcile } from '../../../src/ledger/reconcile.ts';
import type { LedgerEntry } from '../../../src/ledger/types.ts';

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

describe('reconcile', () => {
  it('finds books that agree to agree, whatever their order, numbers and times', () => {
    const mine = [entry('capsule:1'), entry('capsule:2', { sequence: 2 })];
    const theirs = [
      entry('capsule:2', { at: 9, entryHash: 'f'.repeat(64) }),
      entry('capsule:1', { sequence: 7 }),
    ];
    expect(reconcile(mine, theirs)).toEqual([]);
    expect(reconcile([], [])).toEqual([]);
  });

  it('names what is missing on either side and what differs, by reference', () => {
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
    expect(reconcile(Object.values(mine), Object.values(theirs))).toEqual([
      { reference: 'capsule:1', kind: 'missing_there', mine: mine.one },
      { reference: 'capsule:2', kind: 'missing_here', theirs: theirs.two },
      { reference: 'capsule:3', kind: 'amount_differs', mine: mine.three, theirs: theirs.three },
      { reference: 'capsule:4', kind: 'parties_differ', mine: mine.four, theirs: theirs.four },
    ]);
  });

  it('finds no difference in what one book took back and the other never had', () => {
    const payment = entry('capsule:1');
    const reversal = entry('reversal:1', { debit: BOB, credit: ALICE });
    expect(reconcile([payment, reversal], [])).toEqual([]);
    expect(reconcile([], [payment, reversal])).toEqual([]);
    const kinds = (mine: LedgerEntry[], theirs: LedgerEntry[]) =>
      reconcile(mine, theirs).map(({ kind }) => kind);
    expect(kinds([payment, reversal], [payment])).toEqual(['missing_there']);
    expect(kinds([payment, { ...reversal, microAmount: 4 }], [])).toEqual(['missing_there', 'missing_there']);
    expect(kinds([reversal], [])).toEqual(['missing_there']);
  });
});
