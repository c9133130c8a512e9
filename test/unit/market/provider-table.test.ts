import { describe, expect, it } from 'vitest';
import type { Offer } from '../../../protocols/messages/v1/schema.ts';
import { ChangeFeed } from '../../../src/market/change-feed.ts';
import type { Standing } from '../../../src/market/entry.ts';
import { UNKNOWN_STANDING } from '../../../src/market/entry.ts';
import { MAX_DETAIL_CHARS } from '../../../src/market/offer.ts';
import { ENTRY_TTL_MS, ProviderTable } from '../../../src/market/provider-table.ts';
import { nodeNamed, offer } from '../../support/market.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const NEAR: Standing = { ring: 'ring1', roundTripMs: 2 };
const [alice, bob, mallory] = [nodeNamed('alice'), nodeNamed('bob'), nodeNamed('mallory')];

function setup() {
  const clock = new VirtualClock();
  const table = new ProviderTable({ clock });
  const hear = (nodeId: string, sequence: number, capabilities: Offer[], standing?: Standing) =>
    table.apply({ nodeId, sequence, capabilities }, standing);
  const names = () => table.all(100).map(({ capabilityId }) => capabilityId);
  return { clock, table, hear, names };
}

describe('the provider table', () => {
  it('gives what was advertised, with standing and age', async () => {
    const { clock, table, hear } = setup();
    const told: Offer = { ...offer('ai.chat', 2, 1.5), detail: { model: 'gemma' } };
    expect(hear(alice, 1, [told], NEAR)).toBe('applied');
    await clock.advance(1_500);
    expect(table.providersOf('ai.chat', { limit: 10 })).toEqual([
      {
        nodeId: alice,
        capabilityId: 'ai.chat',
        price: 2,
        estimatedLatency: 1.5,
        ring: 'ring1',
        roundTripMs: 2,
        idempotent: true,
        proven: true,
        detail: { model: 'gemma' },
        ageMs: 1_500,
      },
    ]);
    expect(table.providersOf('ai.embed', { limit: 10 })).toEqual([]);
    expect(table.providersOf('constructor', { limit: 10 })).toEqual([]);
  });

  it('lists the best score first, over rings, and no more than asked for', () => {
    const { table, hear } = setup();
    hear(alice, 1, [offer('text.stats', 3)], NEAR);
    hear(bob, 1, [offer('text.stats', 1)], { ring: 'global', roundTripMs: 100 });
    hear(mallory, 1, [offer('text.stats', 2), offer('ai.chat', 9)], { ring: 'ring2', roundTripMs: 50 });
    const order = table.providersOf('text.stats', { limit: 10 }).map(({ nodeId }) => nodeId);
    expect(order).toEqual([bob, mallory, alice]);
    expect(table.providersOf('text.stats', { limit: 2 })).toHaveLength(2);
    expect(table.all(10).map(({ capabilityId, price }) => [capabilityId, price])).toEqual([
      ['ai.chat', 9],
      ['text.stats', 1],
      ['text.stats', 2],
      ['text.stats', 3],
    ]);
    expect(table.all(3)).toHaveLength(3);
    expect([...table.names()].sort()).toEqual(['ai.chat', 'text.stats']);
  });

  it('takes the newest word on whether work may run twice, where nothing else changed', () => {
    const { table, hear } = setup();
    hear(alice, 1, [{ ...offer('data.store'), idempotent: false }]);
    expect(table.all(1)).toMatchObject([{ idempotent: false }]);
    hear(alice, 2, [{ ...offer('data.store'), idempotent: true }]);
    expect(table.all(1)).toMatchObject([{ idempotent: true }]);
    table.noteOffer(alice, { ...offer('data.store'), idempotent: false });
    expect(table.all(1)).toMatchObject([{ idempotent: false }]);
  });

  it('replaces everything a node offered', () => {
    const { table, hear, names } = setup();
    hear(alice, 1, [offer('text.stats'), offer('ai.chat')]);
    hear(alice, 2, [offer('ai.chat', 5), offer('ai.embed')]);
    expect(names()).toEqual(['ai.chat', 'ai.embed']);
    expect(table.all(1)).toMatchObject([{ price: 5 }]);
    expect(table.size).toBe(2);
  });

  it('lets entries live five minutes by its own monotonic clock, whatever the wall clock does', async () => {
    const { clock, table, hear } = setup();
    hear(alice, 1, [offer('text.stats')]);
    await clock.advance(100_000);
    hear(bob, 1, [offer('text.stats')]);
    clock.jump(86_400_000);
    expect(table.size).toBe(2);
    clock.jump(-2 * 86_400_000);
    await clock.advance(ENTRY_TTL_MS - 100_001);
    expect(table.size).toBe(2);
    await clock.advance(1);
    expect(table.providersOf('text.stats', { limit: 9 }).map(({ nodeId }) => nodeId)).toEqual([bob]);
    expect(table.knownNodes).toBe(1);
    await clock.advance(100_000);
    expect(table.size).toBe(0);
    expect([...table.names()]).toEqual([]);
  });

  it('counts an entry’s life from the last advertisement', async () => {
    const { clock, table, hear } = setup();
    hear(alice, 1, [offer('text.stats')]);
    for (let sequence = 2; sequence < 10; sequence++) {
      await clock.advance(ENTRY_TTL_MS - 1);
      expect(hear(alice, sequence, [offer('text.stats')])).toBe('applied');
    }
    await clock.advance(ENTRY_TTL_MS - 1);
    expect(table.size).toBe(1);
    await clock.advance(1);
    expect(table.size).toBe(0);
  });

  it('expires who fell silent, though others who were heard of before them go on', async () => {
    const { clock, table, hear } = setup();
    hear(alice, 1, [offer('text.stats')]);
    hear(bob, 1, [offer('text.stats')]);
    await clock.advance(60_000);
    hear(alice, 2, [offer('text.stats')]);
    await clock.advance(ENTRY_TTL_MS - 60_000);
    expect(table.all(9).map(({ nodeId }) => nodeId)).toEqual([alice]);
  });

  it('takes a new price even where the score stays in its step', () => {
    const { table, hear } = setup();
    hear(alice, 1, [offer('text.stats', 0, 0.5)], NEAR);
    const before = table.entry(alice, 'text.stats');
    hear(alice, 2, [offer('text.stats', 0.000_001, 0.5)], NEAR);
    const after = table.entry(alice, 'text.stats');
    expect(after?.step).toBe(before?.step);
    expect(after).toMatchObject({ price: 0.000_001, priceMicro: 1 });
  });

  it('takes a life of another length', async () => {
    const clock = new VirtualClock();
    const table = new ProviderTable({ clock }, { ttlMs: 1_000 });
    table.apply({ nodeId: alice, sequence: 1, capabilities: [offer('text.stats')] });
    await clock.advance(1_000);
    expect(table.size).toBe(0);
  });

  it('withdraws a node that says goodbye', () => {
    const { table, hear, names } = setup();
    hear(alice, 1, [offer('text.stats')]);
    hear(bob, 1, [offer('ai.chat')]);
    expect(hear(alice, 2, [])).toBe('applied');
    expect(names()).toEqual(['ai.chat']);
    expect(table.knownNodes).toBe(1);
  });

  it('refuses replays: while the node is known, after its goodbye, and after it expired', async () => {
    const { clock, table, hear } = setup();
    hear(alice, 5, [offer('text.stats')]);
    expect(hear(alice, 5, [offer('ai.chat')])).toBe('replay');
    expect(hear(alice, 4, [])).toBe('replay');
    expect(table.size).toBe(1);
    hear(alice, 6, []);
    await clock.advance(150_000);
    expect(hear(alice, 5, [offer('text.stats')])).toBe('replay');
    hear(bob, 9, [offer('text.stats')]);
    await clock.advance(ENTRY_TTL_MS * 3);
    expect(hear(bob, 9, [offer('text.stats')])).toBe('replay');
    expect(table.size).toBe(0);
    expect(hear(bob, 10, [offer('text.stats')])).toBe('applied');
  });

  it('refuses a replay after a node that was removed', () => {
    const { table, hear } = setup();
    hear(alice, 5, [offer('text.stats')]);
    table.remove(alice);
    table.remove(bob);
    expect(hear(alice, 5, [offer('text.stats')])).toBe('replay');
    expect(table.orderOf({ nodeId: alice, sequence: 5 }, { direct: false })).toBe('same');
    expect(table.orderOf({ nodeId: bob, sequence: 0 }, { direct: false })).toBe('later');
  });

  it('places a peer’s entries anew when it is measured, and ignores strangers', () => {
    const { table, hear } = setup();
    hear(alice, 1, [offer('text.stats', 0, 1)]);
    expect(table.all(1)).toMatchObject([UNKNOWN_STANDING]);
    hear(bob, 1, [offer('text.stats', 0, 1)], NEAR);
    expect(table.all(1)).toMatchObject([{ nodeId: bob }]);
    table.updatePeer(alice, { ring: 'ring1', roundTripMs: 0 });
    table.updatePeer(bob, { ring: 'ring2', roundTripMs: 60 });
    table.updatePeer(mallory, NEAR);
    expect(table.all(9).map(({ nodeId, ring }) => [nodeId, ring])).toEqual([
      [alice, 'ring1'],
      [bob, 'ring2'],
    ]);
    expect(table.size).toBe(2);
  });

  it('keeps a peer’s standing when a later advertisement comes without one', () => {
    const { table, hear } = setup();
    hear(alice, 1, [offer('text.stats')], NEAR);
    hear(alice, 2, [offer('text.stats')]);
    expect(table.all(1)).toMatchObject([NEAR]);
  });

  it('takes a bid as an offer beside the others, until the next advertisement', () => {
    const { table, hear, names } = setup();
    hear(alice, 1, [{ ...offer('text.stats', 1), detail: { words: true } }]);
    expect(
      table.noteOffer(alice, { capabilityId: 'ai.chat', price: 2, estimatedLatency: 3, idempotent: true }),
    ).toBe(true);
    table.noteOffer(alice, { capabilityId: 'text.stats', price: 4, estimatedLatency: 0, idempotent: true });
    expect(names()).toEqual(['ai.chat', 'text.stats']);
    expect(table.all(2)[1]).toMatchObject({ price: 4, detail: { words: true } });
    expect(
      table.noteOffer(
        bob,
        { capabilityId: 'ai.chat', price: 0, estimatedLatency: 0, idempotent: true },
        NEAR,
      ),
    ).toBe(true);
    expect(hear(bob, 1, [offer('ai.embed')])).toBe('applied');
    expect(table.entry(bob, 'ai.chat')).toBeUndefined();
    hear(alice, 2, [offer('text.stats', 1)]);
    expect(table.entry(alice, 'ai.chat')).toBeUndefined();
  });

  it('leaves out a price the ledger cannot count, and a detail that is too long', () => {
    const { table, hear, names } = setup();
    const detail = { text: 'x'.repeat(MAX_DETAIL_CHARS) };
    hear(alice, 1, [offer('text.stats', 0.000_000_1), { ...offer('ai.chat', 0.000_001), detail }]);
    expect(names()).toEqual(['ai.chat']);
    expect(table.all(1)[0]?.detail).toBeUndefined();
    hear(alice, 2, [offer('ai.chat', 0.000_000_1)]);
    expect(names()).toEqual([]);
  });

  it('counts an offer named twice once', () => {
    const { table, hear } = setup();
    hear(alice, 1, [offer('text.stats', 1), offer('text.stats', 2)]);
    expect(table.size).toBe(1);
    expect(table.all(9)).toMatchObject([{ price: 2 }]);
  });
});

describe('a full table', () => {
  const ROOM = 500;

  /** As many nodes as there is room for, all delivered by mallory. */
  function flooded(connected: string[] = []) {
    const clock = new VirtualClock();
    const table = new ProviderTable(
      { clock, connected: (nodeId) => connected.includes(nodeId) },
      { maxNodes: ROOM },
    );
    const apply = (nodeId: string, sequence: number, deliverer: string, standing?: Standing) =>
      table.apply({ nodeId, sequence, capabilities: [offer('text.stats')] }, standing, { deliverer });
    const flood = (count = ROOM, by = mallory) => {
      for (let index = 0; index < count; index++) apply(`${by} ${index}`, 1, by);
    };
    return { clock, table, apply, flood };
  }

  it('refuses more from the peer that delivered most, and takes them again when others have gone', async () => {
    const { clock, table, apply, flood } = flooded();
    flood();
    expect(apply(alice, 1, mallory)).toBe('full');
    expect(table.entry(alice, 'text.stats')).toBeUndefined();
    expect(apply(`${mallory} 0`, 2, mallory)).toBe('applied');
    expect(table.knownNodes).toBe(ROOM);
    table.remove(`${mallory} 7`);
    // A node that was refused is not taken for a replay.
    expect(apply(alice, 1, mallory)).toBe('applied');
    expect(table.knownNodes).toBe(ROOM);
    await clock.advance(ENTRY_TTL_MS);
    expect([table.size, table.bytes]).toEqual([0, 0]);
  });

  it('takes newcomers of other peers, in the place of what the one delivered that delivered most', () => {
    const { table, apply, flood } = flooded();
    flood();
    apply(`${mallory} 0`, 2, mallory);
    for (let index = 0; index < 100; index++) expect(apply(`honest ${index}`, 1, bob)).toBe('applied');
    flood();
    for (let index = 0; index < 100; index++) {
      expect(table.entry(`honest ${index}`, 'text.stats')).toBeDefined();
    }
    // The longest unheard went first.
    expect(table.entry(`${mallory} 0`, 'text.stats')).toBeDefined();
    expect(table.entry(`${mallory} 1`, 'text.stats')).toBeUndefined();
    expect(table.knownNodes).toBe(ROOM);
  });

  it('counts a node to the peer that delivered it first, not to a faster one later', () => {
    const { table, apply, flood } = flooded();
    for (let index = 0; index < 10; index++) apply(`honest ${index}`, 1, bob);
    for (let index = 0; index < 10; index++) apply(`honest ${index}`, 2, mallory);
    flood();
    for (let index = 0; index < 10; index++) apply(`new ${index}`, 1, alice);
    for (let index = 0; index < 10; index++) {
      expect(table.entry(`honest ${index}`, 'text.stats')).toBeDefined();
    }
  });

  it('keeps the nodes it met before those it never met, and those that are connected before all', () => {
    const { table, apply, flood } = flooded([alice]);
    apply(bob, 1, bob, NEAR);
    flood(ROOM - 1);
    expect(apply(alice, 1, alice, NEAR)).toBe('applied');
    for (let index = 0; index < ROOM; index++) apply(`met ${index}`, 1, `met ${index}`, NEAR);
    expect(table.knownNodes).toBe(ROOM);
    expect(table.entry(alice, 'text.stats')).toBeDefined();
    expect(table.entry(bob, 'text.stats')).toBeDefined();
    // Nobody is left that was never met: a node that was, and is away, gives way to one that is connected only.
    expect(apply('met too', 1, 'met too', NEAR)).toBe('full');
    table.remove(alice);
    apply('met again', 1, 'met again', NEAR);
    expect(apply(alice, 2, alice, NEAR)).toBe('applied');
    expect(table.entry(bob, 'text.stats')).toBeUndefined();
    expect(table.knownNodes).toBe(ROOM);
  });

  it('is bounded in bytes: names, details and models count', () => {
    const clock = new VirtualClock();
    const maxBytes = 1_000_000;
    const models = Array.from({ length: 32 }, (_, index) => `model-${index}`);
    const floods: ((index: number) => Offer[])[] = [
      (index) => Array.from({ length: 256 }, (_, each) => offer(`text.c${index}x${each}`)),
      () =>
        Array.from({ length: 24 }, (_, each) => ({
          ...offer(`text.c${each}`),
          detail: { a: 'x'.repeat(2_000) },
        })),
      () => [{ ...offer('ai.chat'), detail: { models } }],
    ];
    for (const capabilities of floods) {
      const table = new ProviderTable({ clock }, { maxBytes });
      for (let index = 0; index < 200; index++) {
        table.apply({ nodeId: `node-${index}`, sequence: 1, capabilities: capabilities(index) });
        expect(table.bytes).toBeLessThanOrEqual(maxBytes);
      }
      expect(table.bytes).toBeGreaterThan(maxBytes / 2);
      expect(table.apply({ nodeId: alice, sequence: 1, capabilities: capabilities(999) })).toBe('full');
      for (const nodeId of new Set(table.all(100_000).map((each) => each.nodeId))) table.remove(nodeId);
      expect(table.bytes).toBe(0);
    }
  });

  it('counts the details of one node together, whichever way they come', () => {
    const { table, hear } = setup();
    const detailed = (from: number, to: number): Offer[] =>
      Array.from({ length: 40 }, (_, index) => ({
        ...offer(`text.c${index}`),
        ...(index >= from && index < to && { detail: { text: 'x'.repeat(2_000) } }),
      }));
    const withDetail = () => table.all(100).filter(({ detail }) => detail !== undefined).length;
    hear(alice, 1, detailed(0, 40));
    expect(withDetail()).toBe(24);
    hear(alice, 2, detailed(16, 40));
    expect(withDetail()).toBe(24);
    const bytes = table.bytes;
    for (let index = 0; index < 50; index++) table.noteOffer(alice, offer('text.c20'));
    expect([withDetail(), table.bytes]).toEqual([24, bytes]);
  });
});

describe('a node that this one never met', () => {
  it('comes after all that it met, whatever it asks, until it is met', () => {
    const { table, hear } = setup();
    hear(mallory, 1, [offer('text.stats', 0)]);
    hear(alice, 1, [offer('text.stats', 9)], { ring: 'global', roundTripMs: 300 });
    const order = () =>
      table.providersOf('text.stats', { limit: 9 }).map(({ nodeId, proven }) => [nodeId, proven]);
    expect(order()).toEqual([
      [alice, true],
      [mallory, false],
    ]);
    expect(table.proven(mallory)).toBe(false);
    table.updatePeer(mallory, NEAR);
    expect(order()).toEqual([
      [mallory, true],
      [alice, true],
    ]);
    expect(table.proven(mallory)).toBe(true);
  });

  it('stays met, where it stood, after its entries expired', async () => {
    const { clock, table, hear } = setup();
    hear(alice, 1, [offer('text.stats')], NEAR);
    await clock.advance(ENTRY_TTL_MS);
    expect(table.size).toBe(0);
    hear(alice, 2, [offer('text.stats')]);
    expect(table.all(1)).toMatchObject([{ ...NEAR, proven: true }]);
  });

  it('is met even before it offers anything', () => {
    const { table, hear } = setup();
    table.updatePeer(alice, NEAR);
    hear(alice, 1, [offer('text.stats')]);
    expect(table.all(1)).toMatchObject([{ ...NEAR, proven: true }]);
  });
});

describe('what the table tells of', () => {
  function told() {
    const clock = new VirtualClock();
    const changes = new ChangeFeed({ clock });
    const table = new ProviderTable({ clock, changes });
    const names: string[] = [];
    changes.onChanged((capabilityId) => names.push(capabilityId));
    const hear = async (sequence: number, capabilities: Offer[]): Promise<string[]> => {
      table.apply({ nodeId: alice, sequence, capabilities });
      await clock.advance(0);
      return names.splice(0);
    };
    return { hear };
  }

  it('is a provider that came, and an offer that changed, not its latency', async () => {
    const { hear } = told();
    expect(await hear(1, [offer('text.stats', 2), offer('ai.chat', 2)])).toEqual(['text.stats', 'ai.chat']);
    expect(await hear(2, [offer('text.stats', 2, 7), offer('ai.chat', 2)])).toEqual([]);
    expect(await hear(3, [offer('text.stats', 1, 7), offer('ai.chat', 2)])).toEqual(['text.stats']);
    const more = { ...offer('ai.chat', 2), detail: { models: ['gemma3'] } };
    expect(await hear(4, [offer('text.stats', 1, 7), more])).toEqual(['ai.chat']);
    expect(await hear(5, [{ ...offer('text.stats', 1, 7), idempotent: false }, more])).toEqual([
      'text.stats',
    ]);
    expect(await hear(6, [])).toEqual([]);
    expect(await hear(7, [more])).toEqual(['ai.chat']);
  });
});
