import { describe, expect, it } from 'vitest';
import type { Offer } from '../../../protocols/messages/v1/schema.ts';
import type { Standing } from '../../../src/market/entry.ts';
import { UNKNOWN_STANDING } from '../../../src/market/entry.ts';
import {
  ENTRY_TTL_MS,
  MAX_DETAIL_CHARS,
  MAX_NODES,
  ProviderTable,
} from '../../../src/market/provider-table.ts';
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
    expect(table.capabilities().sort()).toEqual(['ai.chat', 'text.stats']);
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
    expect(table.capabilities()).toEqual([]);
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
    expect(table.lastSequence(alice)).toBe(5);
    expect(table.lastSequence(bob)).toBeUndefined();
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

  it('holds a bounded number of nodes, and takes newcomers again when others have gone', async () => {
    const { clock, table } = setup();
    const apply = (nodeId: string, sequence = 1) =>
      table.apply({ nodeId, sequence, capabilities: [offer('text.stats')] });
    for (let index = 0; index < MAX_NODES; index++) apply(`node-${index}`);
    expect(apply(alice)).toBe('full');
    expect(
      table.noteOffer(bob, { capabilityId: 'ai.chat', price: 0, estimatedLatency: 0, idempotent: true }),
    ).toBe(false);
    expect(apply('node-0', 2)).toBe('applied');
    expect(table.size).toBe(MAX_NODES);
    table.remove('node-7');
    expect(apply(alice, 2)).toBe('applied');
    expect(table.knownNodes).toBe(MAX_NODES);
    await clock.advance(ENTRY_TTL_MS);
    expect(table.size).toBe(0);
  });

  it('holds a bounded number of offers', () => {
    const { table, hear } = setup();
    const names = Array.from({ length: 256 }, (_, index) => offer(`text.c${index}`));
    for (let index = 0; index < 800; index++) hear(`node-${index}`, 1, names);
    expect(table.size).toBe(200_000);
    expect(hear(alice, 1, [offer('text.c0')])).toBe('applied');
    expect(table.entry(alice, 'text.c0')).toBeUndefined();
    expect(hear('node-0', 2, [offer('text.c0', 7)])).toBe('applied');
    expect(table.entry('node-0', 'text.c0')?.price).toBe(7);
  });
});
