import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../protocols/common/v1/schema.ts';
import type { CapabilityApi } from '../../../src/engine/capability.ts';
import { buildModule } from '../../../src/engine/module.ts';
import { ModuleStorage } from '../../../src/engine/module-storage.ts';
import { PermissionUse } from '../../../src/engine/permission-use.ts';
import { ScopedStorage, STORAGE_LIMITS } from '../../../src/engine/scoped-storage.ts';
import { StorageLocks } from '../../../src/engine/storage-lock.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { errorOf, request, resultOf, startedEngine, testModule } from '../../support/engine.ts';
import { settle } from '../../support/virtual-clock.ts';

type Work = (storage: CapabilityApi['storage'], api: CapabilityApi) => Promise<JsonValue>;

/** Runs each piece of work as an intent of its own of one module. */
async function storageBench() {
  let next: Work = async () => null;
  const run = async (_intent: unknown, api: CapabilityApi) => next(api.storage, api);
  const made = await startedEngine({
    modules: [
      testModule(run, { permissions: ['storage'] }),
      testModule(run, { id: 'other', permissions: ['storage'], capabilities: [{ id: 'other.run' }] }),
    ],
  });
  const work = (task: Work, capability = 'unit.run', options = {}) => {
    next = task;
    return made.engine.handleIntent(request(capability), options);
  };
  return { ...made, work };
}

describe('storage', () => {
  it('keeps what a successful intent wrote, and shows it its own writes before', async () => {
    const { work, engine } = await storageBench();
    const seen = await work(async (storage) => {
      await storage.put('a', { deep: [1] });
      await storage.put('b', 2);
      await storage.delete('b');
      return [(await storage.get('a')) ?? null, (await storage.get('b')) ?? null];
    });
    expect(resultOf(seen)).toEqual([{ deep: [1] }, null]);
    expect(seen.receipt.permissionsUsed).toEqual(['storage']);
    expect(resultOf(await work(async (storage) => (await storage.get('a')) ?? null))).toEqual({ deep: [1] });
    expect((await engine.receipts.verify()).ok).toBe(true);
  });

  it.each([
    ['fails', { throws: true }],
    ['gives no JSON', { throws: false }],
  ])('drops what an intent wrote that %s', async (_name, { throws }) => {
    const { work } = await storageBench();
    const failed = await work(async (storage) => {
      await storage.put('a', 1);
      if (throws) throw new Error('no');
      return Number.NaN;
    });
    expect(errorOf(failed).code).toBe('internal');
    expect(resultOf(await work(async (storage) => (await storage.get('a')) ?? null))).toBeNull();
  });

  it('changes the state root only when something was written', async () => {
    const { work, engine } = await storageBench();
    await work(async (storage) => storage.put('a', 1).then(() => null));
    await work(async (storage) => (await storage.get('a')) ?? null);
    await work(async (storage) => storage.delete('a').then(() => null));
    expect((await engine.receipts.verify()).problems).toEqual([]);
  });

  it('is apart for each module', async () => {
    const { work } = await storageBench();
    await work(async (storage) => storage.put('a', 'of unit').then(() => null));
    const other = await work(
      async (storage) => [(await storage.get('a')) ?? null, await storage.list()],
      'other.run',
    );
    expect(resultOf(other)).toEqual([null, []]);
  });

  it('does not share values with the code', async () => {
    const { work } = await storageBench();
    await work(async (storage) => {
      const value = { list: [1] };
      await storage.put('a', value);
      value.list.push(2);
      return null;
    });
    const seen = await work(async (storage) => {
      const first = await storage.get('a');
      if (typeof first === 'object' && first !== null && !Array.isArray(first)) first.list = 'changed';
      return (await storage.get('a')) ?? null;
    });
    expect(resultOf(seen)).toEqual({ list: [1] });
  });

  it('lists keys in the order of their bytes, stored and new ones together, in pages', async () => {
    const { work } = await storageBench();
    await work(async (storage) => {
      for (const key of ['b/2', 'b/1', 'a', 'b/10', 'c', 'b/\u{1f642}', 'b/\uffee'])
        await storage.put(key, 0);
      return null;
    });
    const listed = await work(async (storage) => {
      await storage.put('b/15', 0);
      await storage.delete('b/1');
      return {
        all: await storage.list({ prefix: 'b/' }),
        page: await storage.list({ prefix: 'b/', limit: 2 }),
        next: await storage.list({ prefix: 'b/', after: 'b/15', limit: 2 }),
        before: await storage.list({ prefix: 'b/', after: 'a', limit: 1 }),
        beyond: await storage.list({ prefix: 'b/', after: 'c' }),
      };
    });
    expect(resultOf(listed)).toEqual({
      all: ['b/10', 'b/15', 'b/2', 'b/\uffee', 'b/\u{1f642}'],
      page: ['b/10', 'b/15'],
      next: ['b/2', 'b/\uffee'],
      before: ['b/10'],
      beyond: [],
    });
  });

  it.each([
    ['an empty key', '', 'invalid_payload'],
    ['a key that is too long', 'k'.repeat(STORAGE_LIMITS.keyChars + 1), 'invalid_payload'],
    ['a key with a lone surrogate', '\ud800', 'invalid_payload'],
  ])('refuses %s', async (_name, key, code) => {
    const { work } = await storageBench();
    expect(errorOf(await work(async (storage) => storage.put(key, 1).then(() => null))).code).toBe(code);
  });

  it('refuses a value that is too large, and more writes than an intent may stage', async () => {
    const { work } = await storageBench();
    const large = await work(async (storage) =>
      storage.put('a', 'x'.repeat(STORAGE_LIMITS.valueBytes)).then(() => null),
    );
    expect(errorOf(large).code).toBe('too_large');
    const many = await work(async (storage) => {
      for (let n = 0; n <= STORAGE_LIMITS.writesPerIntent; n++) await storage.put(`key ${n}`, n);
      return null;
    });
    expect(errorOf(many).code).toBe('too_large');
  });

  it('loses no increment of intents that run at the same time', async () => {
    const { engine } = await startedEngine();
    const counts = await Promise.all(
      Array.from({ length: 50 }, () => engine.handleIntent(request('test.count', { name: 'shared' }))),
    );
    const results = counts.map((outcome) => JSON.stringify(resultOf(outcome)));
    expect(new Set(results)).toEqual(new Set(Array.from({ length: 50 }, (_, n) => `{"count":${n + 1}}`)));
    expect((await engine.receipts.verify()).problems).toEqual([]);
  });

  it('lets others in when one that holds the storage is cancelled, and skips who gave up waiting', async () => {
    const { work } = await storageBench();
    const [first, second] = [new AbortController(), new AbortController()];
    const reached = Promise.withResolvers<void>();
    const holder = work(
      async (storage) => {
        await storage.put('a', 'from the holder');
        reached.resolve();
        return new Promise<never>(() => {});
      },
      'unit.run',
      { signal: first.signal },
    );
    await reached.promise;
    const read: Work = async (storage) => (await storage.get('a')) ?? 'nothing';
    const waiting = work(read, 'unit.run', { signal: second.signal });
    await settle();
    const patient = work(read);
    await settle();
    second.abort();
    expect(errorOf(await waiting).code).toBe('cancelled');
    first.abort();
    expect(errorOf(await holder).code).toBe('cancelled');
    expect(resultOf(await patient)).toBe('nothing');
  });

  it('does not hold up another module', async () => {
    const { work } = await storageBench();
    const controller = new AbortController();
    const holder = work(
      async (storage) => {
        await storage.get('a');
        return new Promise<never>(() => {});
      },
      'unit.run',
      { signal: controller.signal },
    );
    await settle();
    expect(resultOf(await work(async (storage) => storage.list(), 'other.run'))).toEqual([]);
    controller.abort();
    await holder;
  });

  it('is closed to code that goes on after its end', async () => {
    const { work, clock } = await storageBench();
    const gate = Promise.withResolvers<void>();
    const late = Promise.withResolvers<unknown>();
    const pending = work(
      async (storage) => {
        await gate.promise;
        await storage.put('a', 1).then(() => late.resolve('written'), late.resolve);
        return null;
      },
      'unit.run',
      { timeoutMs: 10 },
    );
    await clock.advance(10);
    expect(errorOf(await pending).code).toBe('timeout');
    gate.resolve();
    expect(await late.promise).toMatchObject({ code: 'cancelled' });
    expect(resultOf(await work(async (storage) => (await storage.get('a')) ?? null))).toBeNull();
  });

  it('is not held by an intent that ended before its turn came', async () => {
    const db = memoryTestDatabase();
    const locks = new StorageLocks();
    const { signal } = new AbortController();
    const release = await locks.acquire('unit', signal);
    const storage = new ModuleStorage({ db, crypto: nodeCrypto });
    const source = testModule(async () => null, { permissions: ['storage'] });
    const module = buildModule('manifest' in source ? source.manifest : null, 'this test', () => ({
      codeHash: '',
      config: {},
      load: () => Promise.reject(new Error('not loaded')),
      isUnchanged: async () => true,
    }));
    const permissions = new PermissionUse(module, { granted: () => true });
    const scoped = new ScopedStorage({ storage, locks, permissions, signal });
    const unawaited = scoped.api.get('a').catch((error: unknown) => error);
    scoped.close();
    permissions.end();
    release();
    expect(await unawaited).toMatchObject({ code: 'cancelled' });
    (await locks.acquire('unit', signal))();
  });
});
