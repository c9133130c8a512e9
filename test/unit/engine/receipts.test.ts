import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { GENESIS_HASH } from '../../../protocols/receipt/v1/schema.ts';
import { signReceipt } from '../../../src/capsule/receipt.ts';
import type { StoredValue } from '../../../src/engine/module-storage.ts';
import { type ChainHead, ReceiptChain, type ReceiptEntry } from '../../../src/engine/receipt-chain.ts';
import { PAGE_RECEIPTS } from '../../../src/engine/receipt-index.ts';
import { factsOf } from '../../../src/engine/state-root.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { BufferedDatabase } from '../../../src/store/buffered-database.ts';
import { keyspace } from '../../../src/store/keyspaces.ts';
import { MemoryDisk } from '../../../src/store/memory-disk.ts';
import type { Database, Transaction } from '../../../src/store/types.ts';
import { openTestDatabase, silentLog } from '../../support/database.ts';
import { request, startedEngine, testEngine, testModule } from '../../support/engine.ts';
import { bob, mallory } from '../../support/keys.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const entries = keyspace<ReceiptEntry>('receipts');
const heads = keyspace<ChainHead>('state');
const values = keyspace<StoredValue>('capabilityStorage');
const pages = keyspace<string>('receiptPages');
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

  it('finds a receipt by the number that its outcome says', async () => {
    const { engine } = await chainOf(1);
    const again = await engine.handleIntent(request('test.echo'), { capsuleId: capsule(1), epoch: 2 });
    expect(again.sequence).toBe(2);
    expect(engine.receipts.at(2)).toEqual(again.receipt);
    expect(engine.receipts.at(3)).toBeUndefined();
  });

  it('finds every receipt by its hash, over pages and a restart', async () => {
    const { db, engine, entry } = await chainOf(PAGE_RECEIPTS * 2 + 3);
    const hashOf = (sequence: number): string => entry(sequence).receipt.receiptHash;
    const places = [1, 2, PAGE_RECEIPTS, PAGE_RECEIPTS + 1, 2 * PAGE_RECEIPTS, 2 * PAGE_RECEIPTS + 1];
    const wanted = [...places, PAGE_RECEIPTS * 2 + 2, PAGE_RECEIPTS * 2 + 3];
    expect(db.get(pages, key(2 * PAGE_RECEIPTS))).toHaveLength(16 * PAGE_RECEIPTS);
    for (const sequence of wanted) {
      expect(await engine.receipts.get(hashOf(sequence))).toEqual(entry(sequence).receipt);
    }
    await engine.stop();
    const { engine: again } = await startedEngine({}, { db });
    for (const sequence of wanted) {
      expect(await again.receipts.get(hashOf(sequence))).toEqual(entry(sequence).receipt);
    }
    expect(await again.receipts.get('no hash')).toBeUndefined();
    const sameBeginning = hashOf(1).slice(0, 16) + 'f'.repeat(48);
    expect(await again.receipts.get(sameBeginning)).toBeUndefined();
    expect((await again.receipts.verify()).problems).toEqual([]);
    await change(db, (tx) => tx.put(pages, key(PAGE_RECEIPTS), db.get(pages, key(2 * PAGE_RECEIPTS)) ?? ''));
    const { problems } = await again.receipts.verify();
    expect(problems).toMatchObject([{ problem: expect.stringMatching(/cannot be found by their hashes/) }]);
  });

  it('begins a page after a restart at its end', async () => {
    const { db, engine, entry } = await chainOf(PAGE_RECEIPTS);
    expect(db.get(pages, key(PAGE_RECEIPTS))).toBeUndefined();
    await engine.stop();
    const { engine: again } = await startedEngine({}, { db });
    await again.handleIntent(request('test.echo'));
    expect(db.get(pages, key(PAGE_RECEIPTS))).toHaveLength(16 * PAGE_RECEIPTS);
    const { receipt } = entry(PAGE_RECEIPTS - 1);
    expect(await again.receipts.get(receipt.receiptHash)).toEqual(receipt);
    expect((await again.receipts.verify()).problems).toEqual([]);
  });

  it('writes one row for a receipt', async () => {
    const written: string[] = [];
    const disk = new MemoryDisk();
    const write = disk.write.bind(disk);
    disk.write = (writes) => {
      written.push(...writes.map(({ key: row }) => row));
      return write(writes);
    };
    const { engine } = await startedEngine(
      {},
      { db: new BufferedDatabase({ disk, log: silentLog, clock: new VirtualClock() }) },
    );
    written.length = 0;
    await engine.handleIntent(request('test.echo'), { capsuleId: capsule(1) });
    expect(written).toEqual([`20${key(1)}`]);
  });

  it('refuses the second of two that follow the same receipt', async () => {
    const { db } = await chainOf(1);
    const chain = new ReceiptChain({ db, crypto: nodeCrypto, signer: bob.signer });
    await chain.open();
    await chain.install([]);
    const { receipt } = db.get(entries, key(1)) ?? {};
    if (receipt === undefined) throw new Error('no receipt');
    const [first, second, third] = [db.transaction(), db.transaction(), db.transaction()];
    expect(chain.append(first, factsOf(receipt), null).sequence).toBe(2);
    expect(chain.append(second, factsOf(receipt), null).sequence).toBe(2);
    await first.commit();
    await expect(second.commit()).rejects.toMatchObject({ code: 'conflict' });
    expect(chain.append(third, factsOf(receipt), null).sequence).toBe(3);
    const fourth = db.transaction();
    // The third was given up.
    expect(chain.append(fourth, factsOf(receipt), null).sequence).toBe(3);
    await fourth.commit();
    expect(chain.at(3)?.previousReceiptHash).toBe(chain.at(2)?.receiptHash);
  });

  it.each([
    ['stopped', true],
    ['crashed', false],
  ])('does not start without an end that was cut when the node had %s', async (_name, stop) => {
    const { db, engine } = await chainOf(6);
    if (stop) await engine.stop();
    else await (await startedEngine({}, { db })).engine.stop();
    await change(db, (tx) => [5, 6].forEach((n) => void tx.delete(entries, key(n))));
    await expect(testEngine({}, { db }).engine.start()).rejects.toMatchObject({
      code: 'storage_failed',
      message: expect.stringMatching(/receipts 5 to 6 are missing.*Restore/),
    });
  });

  it.each<[string, (tx: Transaction, entry: (n: number) => ReceiptEntry) => void, RegExp]>([
    ['a receipt of the newest page', (tx) => tx.delete(entries, key(3)), /receipt 3 is missing/],
    ['what was noted of its end', (tx) => tx.delete(heads, 'receipt-chain'), /nothing is noted/],
    [
      'the receipt that was noted',
      (tx, e) => tx.put(heads, 'receipt-chain', headOf(6, e(5))),
      /receipt 6 is missing/,
    ],
    ['the right order', (tx, e) => tx.put(entries, key(4), e(3)), /receipt 4 does not follow/],
    [
      'an index that is as long as it was',
      (tx) => tx.put(pages, key(PAGE_RECEIPTS), ''),
      /7 to 257 are missing/,
    ],
    [
      'the storage of its capabilities',
      (tx) => tx.delete(values, ':set-hash'),
      /storage of the capabilities/,
    ],
  ])('does not start without %s', async (_name, write, lost) => {
    const { db, engine, entry } = await chainOf(6);
    await engine.stop();
    await change(db, (tx) => write(tx, entry));
    await expect(testEngine({}, { db }).engine.start()).rejects.toMatchObject({
      code: 'storage_failed',
      message: expect.stringMatching(lost),
    });
  });

  it('does not go on from a newest receipt that is none', async () => {
    const { db, engine } = await chainOf(2);
    await engine.stop();
    await change(db, (tx) => tx.put(entries, key(2), JSON.parse('7')));
    await expect(testEngine({}, { db }).engine.start()).rejects.toMatchObject({ code: 'storage_failed' });
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

  it('reads on for nobody: verifying and looking up end with their signal', async () => {
    const { engine } = await chainOf(PAGE_RECEIPTS + 2);
    const signal = AbortSignal.abort();
    await expect(engine.receipts.verify({ signal })).rejects.toMatchObject({ code: 'cancelled' });
    const oldest = engine.receipts.at(1)?.receiptHash ?? '';
    await expect(engine.receipts.get(oldest, { signal })).rejects.toMatchObject({ code: 'cancelled' });
    expect(await engine.receipts.get(oldest)).toBeDefined();
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
      /noted as the end of the chain/,
    ],
    ['a missing note', (tx) => tx.delete(heads, 'receipt-chain'), /nothing is noted/],
    ['garbage in place of a receipt', (tx) => tx.put(entries, key(3), JSON.parse('7')), /is not a receipt/],
    [
      'a changed state',
      (tx, e) => tx.put(entries, key(3), { ...e(3), state: { ...e(3).state, storage: GENESIS_HASH } }),
      /next state root is not its state/,
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
