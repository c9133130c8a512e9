import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { GENESIS_HASH } from '../../../protocols/receipt/v1/schema.ts';
import { signReceipt } from '../../../src/capsule/receipt.ts';
import type { StoredValue } from '../../../src/engine/module-storage.ts';
import type { ChainHead, ReceiptEntry } from '../../../src/engine/receipt-chain.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { keyspace } from '../../../src/store/keyspaces.ts';
import type { Database, Transaction } from '../../../src/store/types.ts';
import { openTestDatabase } from '../../support/database.ts';
import { request, startedEngine, testEngine, testModule } from '../../support/engine.ts';
import { bob, mallory } from '../../support/keys.ts';

const entries = keyspace<ReceiptEntry>('receipts');
const heads = keyspace<ChainHead>('state');
const values = keyspace<StoredValue>('capabilityStorage');
const byHash = keyspace<number>('receiptsByHash');
const installations = keyspace<unknown>('stateDigests');
const key = (sequence: number): string => String(sequence).padStart(16, '0');
const capsule = (n: number): string => n.toString(16).padStart(64, '0');

/** An engine with `count` receipts, every second of an intent that wrote to storage. */
async function chainOf(count: number) {
  const made = await startedEngine();
  for (let n = 1; n <= count; n++) {
    await made.engine.handleIntent(request(n % 2 === 0 ? 'test.count' : 'test.echo', { n }), {
      capsuleId: capsule(n),
    });
  }
  const entry = (sequence: number): ReceiptEntry => {
    const found = made.db.get(entries, key(sequence));
    if (found === undefined) throw new Error(`no receipt ${sequence}`);
    return found;
  };
  return { ...made, entry };
}

async function change(db: Database, write: (tx: Transaction) => void): Promise<void> {
  const tx = db.transaction();
  write(tx);
  await tx.commit();
}

describe('the receipt chain', () => {
  it('links receipts and state roots from the first on', async () => {
    const { engine, entry } = await chainOf(4);
    expect(entry(1).receipt.previousReceiptHash).toBe(GENESIS_HASH);
    for (const sequence of [2, 3, 4]) {
      const [before, after] = [entry(sequence - 1), entry(sequence)];
      expect(after.receipt.previousReceiptHash).toBe(before.receipt.receiptHash);
      expect(after.receipt.previousStateRoot).toBe(before.receipt.nextStateRoot);
      const touched = after.state.storage !== before.state.storage;
      expect(touched).toBe(sequence % 2 === 0);
    }
    expect(await engine.receipts.verify()).toEqual({ ok: true, receipts: 4, problems: [] });
  });

  it('gives pages, newest first', async () => {
    const { engine } = await chainOf(5);
    const first = await engine.receipts.list({ limit: 2 });
    expect(first.items.map(({ sequence }) => sequence)).toEqual([5, 4]);
    const second = await engine.receipts.list({ limit: 3, cursor: first.cursor ?? '' });
    expect(second.items.map(({ sequence }) => sequence)).toEqual([3, 2, 1]);
    expect(second.cursor).toBeNull();
    await expect(engine.receipts.list({ cursor: 'x' })).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('finds the newest receipt of a capsule that ran again', async () => {
    const { engine } = await chainOf(1);
    const again = await engine.handleIntent(request('test.echo'), { capsuleId: capsule(1), epoch: 2 });
    expect(engine.receipts.ofCapsule(capsule(1))).toEqual(again.receipt);
    expect(engine.receipts.ofCapsule(capsule(9))).toBeUndefined();
    expect(engine.receipts.get('no hash')).toBeUndefined();
    expect((await engine.receipts.verify()).ok).toBe(true);
  });

  it('is sound before the first receipt', async () => {
    const { engine } = await startedEngine();
    expect(await engine.receipts.verify()).toEqual({ ok: true, receipts: 0, problems: [] });
  });

  it('goes on after a restart on the same data, also with other code installed', async () => {
    const store = await openTestDatabase();
    try {
      const first = await startedEngine({}, { db: store.db });
      await first.engine.handleIntent(request('test.count'));
      await first.engine.stop();
      const module = testModule(async () => ({}));
      const second = testEngine({ modules: [module] }, { db: store.db });
      await second.engine.start();
      await second.engine.handleIntent(request('unit.run'));
      const [newest, oldest] = (await second.engine.receipts.list({})).items;
      expect(newest?.receipt.previousReceiptHash).toBe(oldest?.receipt.receiptHash);
      expect(newest?.receipt.previousStateRoot).not.toBe(oldest?.receipt.nextStateRoot);
      expect(await second.engine.receipts.verify()).toEqual({ ok: true, receipts: 2, problems: [] });
    } finally {
      await store.close();
    }
  });

  it('verifies while intents run', async () => {
    const { engine } = await chainOf(4);
    const running = Array.from({ length: 20 }, () => engine.handleIntent(request('test.count')));
    const during = await engine.receipts.verify();
    expect(during.problems).toEqual([]);
    await Promise.all(running);
    expect(await engine.receipts.verify()).toEqual({ ok: true, receipts: 24, problems: [] });
  });
});

describe('verify finds', () => {
  const tampering: [
    name: string,
    write: (tx: Transaction, entry: (n: number) => ReceiptEntry) => void,
    problem: RegExp,
  ][] = [
    ['a changed field', (tx, e) => put(tx, 3, e(3), { action: 'other' }), /not the hash of its content/],
    [
      'a changed signature',
      (tx, e) => put(tx, 3, e(3), { signature: 'ab'.repeat(64) }),
      /not by the identity/,
    ],
    ['an added field', (tx, e) => put(tx, 3, e(3), { note: 'x' }), /unknown field "note"/],
    ['a receipt signed by another', (tx, e) => put(tx, 3, e(3), forged(e(3))), /another identity/],
    [
      'a receipt signed anew',
      (tx, e) => put(tx, 3, e(3), resigned(e(3), { action: 'other' })),
      /state leaves out or adds/,
    ],
    [
      'a last receipt signed anew upon another state, with head and index to fit',
      (tx, e) => {
        const receipt = resigned(e(6), { previousStateRoot: GENESIS_HASH });
        put(tx, 6, e(6), receipt);
        tx.put(byHash, receipt.receiptHash, 6);
        tx.put(heads, 'receipt-chain', headOf(6, { ...e(6), receipt }));
      },
      /previous state root is not the state before it/,
    ],
    ['a missing first receipt', (tx) => tx.delete(entries, key(1)), /receipt 1 is missing/],
    [
      'missing receipts in the middle',
      (tx) => [3, 4].forEach((n) => void tx.delete(entries, key(n))),
      /receipts 3 to 4 are missing/,
    ],
    ['a missing end', (tx) => tx.delete(entries, key(6)), /receipt 6 is missing/],
    [
      'a missing end with a head to fit',
      (tx, e) => {
        tx.delete(entries, key(6));
        tx.put(heads, 'receipt-chain', headOf(5, e(5)));
      },
      /storage of the capabilities is not what the state root commits to/,
    ],
    [
      'a swap',
      (tx, e) => {
        tx.put(entries, key(3), e(4));
        tx.put(entries, key(4), e(3));
      },
      /does not follow the receipt before it/,
    ],
    ['a receipt twice', (tx, e) => tx.put(entries, key(7), e(6)), /does not follow the receipt before it/],
    [
      'a head that is not the last receipt',
      (tx, e) => tx.put(heads, 'receipt-chain', headOf(6, e(5))),
      /head of the chain is not/,
    ],
    ['a missing head', (tx) => tx.delete(heads, 'receipt-chain'), /head of the chain does not reach/],
    ['garbage in place of a receipt', (tx) => tx.put(entries, key(3), JSON.parse('7')), /is not a receipt/],
    [
      'a changed state',
      (tx, e) => tx.put(entries, key(3), { ...e(3), state: { ...e(3).state, storage: GENESIS_HASH } }),
      /next state root is not its state/,
    ],
    [
      'a missing index',
      (tx, e) => tx.delete(byHash, e(2).receipt.receiptHash),
      /cannot be found by its hash/,
    ],
    [
      'a lost list of installed code',
      (tx, e) => tx.delete(installations, e(1).state.capabilities),
      /installed is missing or changed/,
    ],
    [
      'a changed list of installed code',
      (tx, e) => tx.put(installations, e(1).state.capabilities, []),
      /installed is missing or changed/,
    ],
    [
      'a changed stored value',
      (tx) => tx.put(values, 'test-echo:counter/default', stored(7)),
      /was changed|not what/,
    ],
    [
      'a changed stored value with its own hash',
      (tx) => tx.put(values, 'test-echo:counter/default', { ...stored(7), hash: nodeCrypto.sha256Hex('7') }),
      /not what its hash says/,
    ],
    [
      'a deleted stored value',
      (tx) => tx.delete(values, 'test-echo:counter/default'),
      /not what its hash says/,
    ],
    ['an added stored value', (tx) => tx.put(values, 'other:key', stored(1)), /not what its hash says/],
    ['a deleted storage hash', (tx) => tx.delete(values, ':set-hash'), /not what its hash says/],
  ];
  it.each(tampering)('%s', async (_name, write, problem) => {
    const { engine, db, entry } = await chainOf(6);
    expect((await engine.receipts.verify()).ok).toBe(true);
    await change(db, (tx) => write(tx, entry));
    const verification = await engine.receipts.verify();
    expect(verification.ok).toBe(false);
    expect(verification.problems.map((found) => found.problem).join('\n')).toMatch(problem);
  });

  it('the place, and nothing elsewhere, when one field was changed', async () => {
    const { engine, db, entry } = await chainOf(6);
    await change(db, (tx) => put(tx, 3, entry(3), { inputHash: GENESIS_HASH }));
    const { problems, receipts } = await engine.receipts.verify();
    expect(receipts).toBe(6);
    expect(problems).toEqual([
      {
        sequence: 3,
        receiptHash: entry(3).receipt.receiptHash,
        problem: expect.stringMatching(/hash of its content/),
      },
    ]);
  });
});

function put(
  tx: Transaction,
  sequence: number,
  entry: ReceiptEntry,
  fields: JsonObject | ReceiptEntry['receipt'],
): void {
  tx.put(entries, key(sequence), { ...entry, receipt: { ...entry.receipt, ...fields } });
}

function resigned(
  { receipt }: ReceiptEntry,
  fields: Partial<ReceiptEntry['receipt']>,
): ReceiptEntry['receipt'] {
  const { receiptHash, signature, ...body } = receipt;
  return signReceipt(bob.signer, nodeCrypto, { ...body, ...fields });
}

function forged({ receipt }: ReceiptEntry): ReceiptEntry['receipt'] {
  const { receiptHash, signature, ...body } = receipt;
  return signReceipt(mallory.signer, nodeCrypto, { ...body, identity: mallory.identity });
}

function headOf(sequence: number, { receipt, state }: ReceiptEntry): ChainHead {
  return { sequence, receiptHash: receipt.receiptHash, root: receipt.nextStateRoot, state };
}

function stored(value: number): StoredValue {
  return { value, hash: GENESIS_HASH, bytes: 1 };
}
