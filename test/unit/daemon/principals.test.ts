import { beforeEach, describe, expect, it } from 'vitest';
import { DatabasePrincipals } from '../../../src/daemon/principals.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { keyspace } from '../../../src/store/keyspaces.ts';
import type { Database } from '../../../src/store/types.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { capsuleId } from '../../support/stored-capsules.ts';

const DAY_MS = 86_400_000;
let db: Database;
let now: number;
const open = () => DatabasePrincipals.open({ db, crypto: nodeCrypto, ageNow: () => now });
const init = {
  name: 'editor',
  scope: 'run',
  capabilities: ['ai.chat'],
  microSpendPerDay: 10_000_000,
  expiresAt: null,
} as const;

beforeEach(() => {
  db = memoryTestDatabase();
  now = 20_000 * DAY_MS;
});

describe('principals', () => {
  it('are found by their token, also after a restart, and the token is stored nowhere', async () => {
    const { token, principal } = await (await open()).create(init);
    const again = await open();
    expect(again.find(token)).toMatchObject(init);
    expect(again.list()).toEqual([principal]);
    const stored: string[] = [];
    for await (const row of db.scan(keyspace<unknown>('principals'), {})) stored.push(JSON.stringify(row));
    expect(stored).toHaveLength(1);
    expect(stored.join('')).not.toContain(token.slice('capsule_'.length));
    for (const other of ['', 'capsule_', token.slice(0, -1), `${token}A`])
      expect(again.find(other)).toBeUndefined();
  });

  it('are gone at once when they are revoked', async () => {
    const principals = await open();
    const { token } = await principals.create(init);
    await principals.revoke('editor');
    expect(principals.find(token)).toBeUndefined();
    expect((await open()).list()).toEqual([]);
    await expect(principals.revoke('editor')).rejects.toMatchObject({ code: 'not_found' });
    expect(() => principals.claim('editor', capsuleId(1), 0)).toThrow(
      expect.objectContaining({ code: 'unauthorized' }),
    );
  });

  it('expire', async () => {
    const principals = await open();
    const { token } = await principals.create({ ...init, expiresAt: now + 1000 });
    expect(principals.find(token)).toBeDefined();
    now += 1000;
    expect(principals.find(token)).toBeUndefined();
    expect(principals.list()).toHaveLength(1);
    await expect(principals.create({ ...init, name: 'late', expiresAt: now })).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });

  it('have names of their own, and a bound', async () => {
    const principals = await open();
    await principals.create(init);
    await expect(principals.create(init)).rejects.toMatchObject({ code: 'conflict' });
    await expect(principals.create({ ...init, name: 'owner' })).rejects.toMatchObject({ code: 'conflict' });
    for (let made = 1; made < 256; made++) await principals.create({ ...init, name: `tool-${made}` });
    await expect(principals.create({ ...init, name: 'more' })).rejects.toMatchObject({ code: 'busy' });
  });
});

describe('what they submit', () => {
  it('is written down, also for the next start', async () => {
    const principals = await open();
    await principals.create(init);
    await principals.claim('editor', capsuleId(1), 0).durable;
    expect((await open()).ownerOf(capsuleId(1))).toBe('editor');
    expect(principals.ownerOf(capsuleId(2))).toBeUndefined();
  });

  it('may cost so much a day, over a restart too', async () => {
    let principals = await open();
    await principals.create(init);
    await principals.claim('editor', capsuleId(1), 6_000_000).durable;
    principals = await open();
    expect(principals.list()[0]?.microSpentToday).toBe(6_000_000);
    expect(() => principals.claim('editor', capsuleId(2), 5_000_000)).toThrow(
      expect.objectContaining({ code: 'rate_limited', detail: expect.objectContaining({ left: 4 }) }),
    );
    expect(() => principals.claim('editor', capsuleId(2), 11_000_000)).toThrow(
      expect.objectContaining({
        code: 'permission_denied',
        detail: expect.objectContaining({ missing: 'spend' }),
      }),
    );
    await principals.claim('editor', capsuleId(2), 4_000_000).durable;
    now += DAY_MS;
    expect(principals.list()[0]?.microSpentToday).toBe(0);
    await principals.claim('editor', capsuleId(3), 10_000_000).durable;
  });

  it('costs nothing where it was not taken', async () => {
    const principals = await open();
    await principals.create(init);
    const claim = principals.claim('editor', capsuleId(1), 10_000_000);
    await claim.undo();
    expect(principals.ownerOf(capsuleId(1))).toBeUndefined();
    expect(principals.list()[0]?.microSpentToday).toBe(0);
    const late = principals.claim('editor', capsuleId(1), 10_000_000);
    now += DAY_MS;
    await principals.claim('editor', capsuleId(2), 3_000_000).durable;
    await late.undo();
    expect(principals.list()[0]?.microSpentToday).toBe(3_000_000);
  });
});
