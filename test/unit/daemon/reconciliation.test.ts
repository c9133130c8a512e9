import { describe, expect, it } from 'vitest';
import { reconcileWith } from '../../../src/daemon/reconciliation.ts';
import { DatabaseLedger } from '../../../src/ledger/ledger.ts';
import type { Booking } from '../../../src/ledger/reconcile.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { alice, bob, carol } from '../../support/keys.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

/** More than any page of a ledger. */
const MANY = 1_201;

type Book = Awaited<ReturnType<typeof bookOf>>;

/** A node's book of `count` payments by Alice to Bob, with others of Carol's between them. */
async function bookOf(self: string, count: number, leaveOut: readonly number[] = []) {
  const db = memoryTestDatabase();
  const ledger = new DatabaseLedger({ db, crypto: nodeCrypto, clock: new VirtualClock() }, { self });
  const tx = db.transaction();
  for (let n = 1; n <= count; n++) {
    if (leaveOut.includes(n)) continue;
    const payment = { debit: alice.identity, credit: bob.identity, microAmount: n, receiptHash: null };
    ledger.book(tx, { reference: `capsule:${n}`, ...payment });
    const other = { ...payment, debit: self, credit: carol.identity };
    if (n % 3 === 0) ledger.book(tx, { reference: `capsule:other-${self}-${n}`, ...other });
  }
  await tx.commit();
  return { db, ledger };
}

async function* shared({ ledger }: Book, account: string): AsyncGenerator<Booking[]> {
  for (let from = 1; ; ) {
    const page = await ledger.entriesWith(account, from, 100);
    const last = page.at(-1);
    if (last === undefined) return;
    yield page.filter(({ debit, credit }) => debit !== carol.identity && credit !== carol.identity);
    from = last.sequence + 1;
  }
}

const compared = (mine: Book, theirs: Book) =>
  reconcileWith({
    ledger: mine.ledger,
    peer: bob.nodeId,
    peerIdentity: bob.identity,
    identity: alice.identity,
    theirs: shared(theirs, alice.identity),
  });

describe('reconciliation', () => {
  it('finds equal books equal, however long they are', async () => {
    const books = [await bookOf(alice.identity, MANY), await bookOf(bob.identity, MANY)] as const;
    expect(await compared(...books)).toEqual({
      nodeId: bob.nodeId,
      agree: true,
      entriesHere: MANY,
      entriesThere: MANY,
      differences: [],
      moreDifferences: 0,
    });
  });

  it('finds what either lacks, at the beginning, over pages, and at the end', async () => {
    const mine = await bookOf(alice.identity, MANY, [1, 600]);
    const theirs = await bookOf(bob.identity, MANY, [501, MANY]);
    const found = await compared(mine, theirs);
    expect(found.agree).toBe(false);
    expect(found.differences.map(({ reference, kind }) => [kind, reference])).toEqual([
      ['missing_here', 'capsule:1'],
      ['missing_there', `capsule:${MANY}`],
      ['missing_there', 'capsule:501'],
      ['missing_here', 'capsule:600'],
    ]);
  });

  it('names so many, and says how many more there are', async () => {
    const found = await compared(await bookOf(alice.identity, MANY), await bookOf(bob.identity, 0));
    expect([found.agree, found.differences.length, found.moreDifferences]).toEqual([
      false,
      1_000,
      MANY - 1_000,
    ]);
  });

  it('leaves out what is booked while the other answers', async () => {
    const [mine, theirs] = [await bookOf(alice.identity, 3), await bookOf(bob.identity, 3)];
    async function* answering(): AsyncGenerator<Booking[]> {
      yield* shared(theirs, alice.identity);
      const tx = mine.db.transaction();
      const late = { debit: alice.identity, credit: bob.identity, microAmount: 1, receiptHash: null };
      mine.ledger.book(tx, { reference: 'capsule:late', ...late });
      await tx.commit();
    }
    const identities = { peer: bob.nodeId, peerIdentity: bob.identity, identity: alice.identity };
    const found = await reconcileWith({ ledger: mine.ledger, theirs: answering(), ...identities });
    expect(found).toMatchObject({ agree: true, entriesHere: 3 });
  });
});
