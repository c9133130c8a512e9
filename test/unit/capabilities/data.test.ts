import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { run } from '../../../capabilities/data/index.ts';
import { MAX_BYTES, MAX_ITEMS } from '../../../capabilities/data/quota.ts';
import type { JsonObject, JsonValue } from '../../../protocols/common/v1/schema.ts';
import { STORAGE_LIMITS } from '../../../src/engine/scoped-storage.ts';
import { intentOf, type MemoryApiOptions, memoryApi } from '../../support/capability-api.ts';
import { outputCheck } from '../../support/capability-manifest.ts';

const ALICE = 'a'.repeat(64);
const BOB = 'b'.repeat(64);

function node(options: MemoryApiOptions = {}) {
  const storage = new Map<string, JsonValue>();
  return (capability: string, payload: JsonObject, origin = ALICE) =>
    run(intentOf(capability, payload), memoryApi({ ...options, storage, origin }).api) as Promise<JsonObject>;
}

describe('data.store', () => {
  it('keeps a value under the SHA-256 of its canonical form and gives it back', async () => {
    const ask = node({ now: 42 });
    const sha256 = createHash('sha256').update('{"a":[1,2],"b":"x"}').digest('hex');
    const stored = await ask('data.store', { value: { b: 'x', a: [1, 2] } });
    expect(stored).toEqual({ key: sha256, bytes: 19, sha256, mediaType: 'application/json', storedAt: 42 });
    const read = await ask('data.get', { key: sha256 });
    expect(read).toEqual({ ...stored, value: { b: 'x', a: [1, 2] } });
    expect((await outputCheck('data', 'data.store'))(stored)).toBeNull();
    expect((await outputCheck('data', 'data.get'))(read)).toBeNull();
  });

  it('keeps a text under a name, and the latest under that name', async () => {
    const ask = node();
    await ask('data.store', { key: 'reports/today', content: 'old' });
    await ask('data.store', { key: 'reports/today', content: '<p>new</p>', mediaType: 'text/html' });
    expect(await ask('data.get', { key: 'reports/today' })).toMatchObject({
      value: '<p>new</p>',
      mediaType: 'text/html',
    });
    expect(await ask('data.list', {})).toMatchObject({ items: [{ key: 'reports/today' }] });
  });

  it('keeps null, which is a value', async () => {
    const ask = node();
    await ask('data.store', { key: 'k', value: null });
    expect(await ask('data.get', { key: 'k' })).toMatchObject({ value: null });
  });

  it.each([
    ['no value', {}],
    ['two values', { value: 1, content: 'x' }],
    ['an empty key', { key: '', value: 1 }],
    ['a key that climbs', { key: '../other', value: 1 }],
    ['a key with a space', { key: 'a b', value: 1 }],
    ['a key that is too long', { key: 'k'.repeat(257), value: 1 }],
  ])('refuses %s', async (_, payload) => {
    await expect(node()('data.store', payload)).rejects.toMatchObject({ code: 'invalid_payload' });
  });

  it('refuses a value that no result could give back', async () => {
    let deep: JsonValue = 1;
    for (let level = 0; level < 41; level += 1) deep = [deep];
    await expect(node()('data.store', { value: deep })).rejects.toMatchObject({ code: 'too_large' });
    await expect(node()('data.store', { value: 'é'.repeat(128_000) })).rejects.toMatchObject({
      code: 'too_large',
      message: 'The value has 256002 bytes of canonical JSON; 256000 are allowed.',
    });
  });

  it('holds each origin to its share, which replacing and deleting give back', async () => {
    const ask = node({ config: { maxItemsPerOrigin: 2, maxBytesPerOrigin: 100 } });
    await ask('data.store', { key: 'a', content: 'x'.repeat(60) });
    await expect(ask('data.store', { key: 'b', content: 'x'.repeat(60) })).rejects.toMatchObject({
      code: 'too_large',
    });
    await ask('data.store', { key: 'a', content: 'x'.repeat(20) });
    await ask('data.store', { key: 'b', content: 'x'.repeat(60) });
    await expect(ask('data.store', { key: 'c', content: '' })).rejects.toMatchObject({ code: 'too_large' });
    await ask('data.store', { key: 'c', content: 'x'.repeat(60) }, BOB);
    expect(await ask('data.delete', { key: 'a' })).toEqual({ key: 'a', deleted: true });
    expect(await ask('data.delete', { key: 'a' })).toEqual({ key: 'a', deleted: false });
    await ask('data.store', { key: 'c', content: 'x' });
  });

  it('says how much there may be, and how much it would be', async () => {
    const ask = node({ config: { maxItemsPerOrigin: 2, maxBytesPerOrigin: 100 } });
    await ask('data.store', { key: 'a', content: 'x'.repeat(60) });
    await expect(ask('data.store', { key: 'b', content: 'x'.repeat(60) })).rejects.toMatchObject({
      message: 'You keep at most 2 documents and 100 bytes; this would make 2 and 124.',
    });
  });

  describe('of all together', () => {
    const BYTES = 1_000;
    /** A node on which others keep so much already. */
    function filled(known: number, stranger: number) {
      const storage = new Map<string, JsonValue>([
        ['known/usage', { bytes: BYTES, items: known }],
        ['stranger/usage', { bytes: BYTES, items: stranger }],
      ]);
      const store = (standing: 'own' | 'known' | 'stranger', key = 'k', origin = BOB) =>
        run(
          intentOf('data.store', { key, content: 'x' }),
          memoryApi({ storage, origin, standing, config: { maxItemsPerOrigin: 1 } }).api,
        );
      return { storage, store };
    }
    const knownShare = (MAX_ITEMS * 3) / 4;
    const strangerShare = MAX_ITEMS / 4;

    it('keeps a share for the node itself, which is held to no other', async () => {
      const { store } = filled(knownShare, 0);
      await expect(store('known')).rejects.toMatchObject({
        code: 'too_large',
        message: `This node keeps for others at most ${knownShare} documents and ${(MAX_BYTES * 3) / 4} bytes; this would make ${knownShare + 1} and ${BYTES * 2 + 3}.`,
      });
      await store('own', 'a');
      await store('own', 'b');
      const full = filled(MAX_ITEMS, 0);
      await expect(full.store('own')).rejects.toMatchObject({ code: 'too_large' });
    });

    it('leaves room for those whom the operator named when strangers have filled theirs', async () => {
      const { store } = filled(0, strangerShare);
      await expect(store('stranger')).rejects.toMatchObject({
        message: expect.stringContaining('This node keeps for strangers at most'),
      });
      await store('known');
    });

    it('counts an origin among the named ones from when it is, and forgets one that has nothing', async () => {
      const { storage, store } = filled(0, 1);
      await store('stranger', 'k', ALICE);
      expect(storage.get('stranger/usage')).toMatchObject({ items: 2 });
      await store('known', 'k', ALICE);
      expect([storage.get('stranger/usage'), storage.get('known/usage')]).toMatchObject([
        { items: 1 },
        { items: 1 },
      ]);
      const { api } = memoryApi({ storage, origin: ALICE, standing: 'known' });
      await run(intentOf('data.delete', { key: 'k' }), api);
      expect([...storage.keys()]).toEqual(['stranger/usage']);
    });

    it('fits into what the engine has for a module', () => {
      expect(MAX_ITEMS * 3 + 2).toBeLessThanOrEqual(STORAGE_LIMITS.keysPerModule);
      expect(MAX_BYTES + MAX_ITEMS * 1_024).toBeLessThanOrEqual(STORAGE_LIMITS.bytesPerModule);
    });
  });

  it('says what is wrong with a limit in the configuration', async () => {
    const ask = node({ config: { maxItemsPerOrigin: 'many' } });
    await expect(ask('data.store', { value: 1 })).rejects.toMatchObject({ code: 'config_invalid' });
  });
});

describe('data.get', () => {
  it('has nothing under an unknown or deleted key', async () => {
    const ask = node();
    await ask('data.store', { key: 'k', value: 1 });
    await ask('data.delete', { key: 'k' });
    await expect(ask('data.get', { key: 'k' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(ask('data.get', { key: 'constructor' })).rejects.toMatchObject({ code: 'not_found' });
  });

  it("does not reach another origin's documents", async () => {
    const ask = node();
    await ask('data.store', { key: 'secret', value: 1 }, ALICE);
    await expect(ask('data.get', { key: 'secret' }, BOB)).rejects.toMatchObject({ code: 'not_found' });
    expect(await ask('data.list', {}, BOB)).toEqual({ items: [], next: null });
    expect(await ask('data.delete', { key: 'secret' }, BOB)).toEqual({ key: 'secret', deleted: false });
    expect(await ask('data.get', { key: 'secret' }, ALICE)).toMatchObject({ value: 1 });
  });
});

describe('data.list', () => {
  it('pages through all keys in order, once each', async () => {
    const ask = node();
    for (const key of ['b/2', 'a/1', 'b/1', 'c', 'b/3']) await ask('data.store', { key, value: key });
    const first = await ask('data.list', { limit: 2 });
    expect(first).toMatchObject({ items: [{ key: 'a/1' }, { key: 'b/1' }], next: 'b/1' });
    const second = await ask('data.list', { limit: 2, after: 'b/1' });
    expect(second).toMatchObject({ items: [{ key: 'b/2' }, { key: 'b/3' }], next: 'b/3' });
    expect(await ask('data.list', { limit: 2, after: 'b/3' })).toMatchObject({
      items: [{ key: 'c' }],
      next: null,
    });
    expect(await ask('data.list', { prefix: 'b/' })).toMatchObject({
      items: [{ key: 'b/1' }, { key: 'b/2' }, { key: 'b/3' }],
      next: null,
    });
    expect((await outputCheck('data', 'data.list'))(first)).toBeNull();
  });

  it.each([0, 201, 1.5])('refuses a page of %s', async (limit) => {
    await expect(node()('data.list', { limit })).rejects.toMatchObject({ code: 'invalid_payload' });
  });
});
