import { describe, expect, it } from 'vitest';
import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { JsonObject, JsonValue, Ring } from '../../../protocols/common/v1/schema.ts';
import { MAX_EXCLUDED_NAMED, MAX_RANKED } from '../../../src/market/decision.ts';
import type { RemoteRing } from '../../../src/market/entry.ts';
import { explainNobody } from '../../../src/market/explain-nobody.ts';
import { PeerHealthTracker } from '../../../src/market/peer-health.ts';
import { ProviderTable } from '../../../src/market/provider-table.ts';
import { createScheduler, LOCAL } from '../../../src/market/scheduler.ts';
import type { Weights } from '../../../src/market/score.ts';
import type { ChooseOptions, Decision } from '../../../src/market/types.ts';
import { capsuleNamed, identityNamed, nodeNamed, offer } from '../../support/market.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const SELF = nodeNamed('self');
const CAPABILITY = 'text.analyze';

interface Seller {
  name: string;
  price?: number;
  latency?: number;
  ring?: RemoteRing;
  roundTripMs?: number;
}

function setup(sellers: Seller[], here?: { price: number; estimatedLatency: number }, weights?: Weights) {
  const clock = new VirtualClock();
  const table = new ProviderTable({ clock }, weights === undefined ? {} : { weights });
  for (const { name, price = 0, latency = 0, ring = 'ring1', roundTripMs = 0 } of sellers) {
    const capabilities = [offer(CAPABILITY, price, latency)];
    table.apply({ nodeId: nodeNamed(name), sequence: 1, capabilities }, { ring, roundTripMs });
  }
  const health = new PeerHealthTracker({ clock });
  const local = (capabilityId: string) =>
    capabilityId === CAPABILITY ? here && { capability: { idempotent: true }, ...here } : undefined;
  const scheduler = createScheduler({ table, health, local, nodeId: SELF });
  const choose = (
    fields: Partial<Capsule> & { amount?: number } = {},
    options: Partial<ChooseOptions> = {},
  ): Decision => scheduler.choose(capsuleNamed('one', fields), { now: 42, ...options });
  return { clock, table, health, choose };
}

const names = new Map(
  ['alice', 'bob', 'carol', 'dave', 'erin', 'origin', 'self'].map((name) => [nodeNamed(name), name]),
);
const nameOf = (nodeId: string): string => names.get(nodeId) ?? nodeId;
const ranked = (decision: Decision): string[] => decision.ranking.map(({ nodeId }) => nameOf(nodeId));
const excluded = (decision: Decision) =>
  Object.fromEntries(decision.excluded.map(({ nodeId, reason }) => [nameOf(nodeId), reason]));

describe('the score', () => {
  it('is price, half the latency with the round trip, and three tenths of the distance', () => {
    const { choose } = setup([{ name: 'alice', price: 2, latency: 1, ring: 'ring2', roundTripMs: 500 }], {
      price: 1,
      estimatedLatency: 4,
    });
    const decision = choose({ amount: 5 });
    expect(decision).toMatchObject({
      at: 42,
      capabilityId: CAPABILITY,
      providersKnown: 1,
      weights: { price: 1, latency: 0.5, distance: 0.3 },
      leastBad: false,
      excluded: [],
      excludedBy: {},
    });
    expect(decision.capsuleId).toBe(capsuleNamed('one').id);
    expect(decision.ranking).toEqual([
      {
        nodeId: LOCAL,
        score: 3,
        price: 5,
        latencySeconds: 4,
        ring: 'local',
        proven: true,
        idempotent: true,
        reason: 'Asks 1 and takes 4 s on this node: score 3.',
      },
      {
        nodeId: nodeNamed('alice'),
        score: 2 + 0.75 + 0.6,
        price: 5,
        latencySeconds: 1.5,
        ring: 'ring2',
        proven: true,
        idempotent: true,
        reason: 'Asks 2 and takes 1.5 s in ring2: score 3.35.',
      },
    ]);
  });

  it('says of each whether it may run the work twice', () => {
    const { table, choose } = setup([{ name: 'alice' }]);
    table.noteOffer(nodeNamed('alice'), { ...offer(CAPABILITY), idempotent: false });
    expect(choose().ranking.map(({ idempotent }) => idempotent)).toEqual([false]);
  });

  it('has configurable weights', () => {
    const sellers: Seller[] = [
      { name: 'alice', price: 1, latency: 9, ring: 'ring1' },
      { name: 'bob', price: 2, latency: 1, ring: 'global' },
    ];
    const amount = 9;
    const only = (weights: Partial<Weights>) =>
      ranked(
        setup(sellers, undefined, { price: 0, latency: 0, distance: 0, ...weights }).choose({ amount }),
      )[0];
    expect(only({ price: 1 })).toBe('alice');
    expect(only({ latency: 1 })).toBe('bob');
    expect(only({ distance: 1 })).toBe('alice');
  });

  it('prefers this node when it is as good', () => {
    // ring1 costs 0.3 of distance: as much as 0.6 seconds here.
    const near: Seller = { name: 'alice' };
    expect(ranked(setup([near], { price: 0, estimatedLatency: 0.6 }).choose())).toEqual([LOCAL, 'alice']);
    expect(ranked(setup([near], { price: 0, estimatedLatency: 0.604 }).choose())).toEqual(['alice', LOCAL]);
  });

  it('gives an empty ranking when there is nobody', () => {
    const decision = setup([]).choose();
    expect(decision).toMatchObject({ ranking: [], excluded: [], providersKnown: 0, leastBad: false });
    expect(setup([{ name: 'alice' }]).choose({ requestedCapability: 'ai.chat' }).ranking).toEqual([]);
  });

  it('ranks at most sixteen and names at most sixteen left out', () => {
    const many = Array.from({ length: 50 }, (_, i): Seller => ({ name: `${i}`, price: i % 2, latency: i }));
    const decision = setup(many).choose();
    expect(decision.ranking).toHaveLength(MAX_RANKED);
    expect(decision.excluded).toHaveLength(MAX_EXCLUDED_NAMED);
    expect(decision.providersKnown).toBe(50);
  });
});

describe('who would refuse', () => {
  const sellers: Seller[] = [
    { name: 'alice', price: 1.000_001 },
    { name: 'bob', price: 1, latency: 30 },
    { name: 'carol', price: 0, latency: 60 },
  ];

  it('is left out for a price above the amount, to the micro-credit', () => {
    const decision = setup(sellers).choose({ amount: 1 });
    expect(ranked(decision)).toEqual(['bob', 'carol']);
    expect(excluded(decision)).toEqual({ alice: 'price_above_amount' });
    expect(ranked(setup(sellers).choose({ amount: 1.000_001 }))).toEqual(['alice', 'bob', 'carol']);
  });

  it('is everybody but the free, where nothing is paid', () => {
    const decision = setup(sellers, { price: 0.5, estimatedLatency: 0 }).choose();
    expect(ranked(decision)).toEqual(['carol']);
    expect(excluded(decision)).toEqual({
      [LOCAL]: 'price_above_amount',
      alice: 'price_above_amount',
      bob: 'price_above_amount',
    });
  });

  it('is not this node for its own origin, which it would pay itself', () => {
    const here = { price: 7, estimatedLatency: 0 };
    const originIdentity = identityNamed('self');
    expect(ranked(setup([], here).choose({ originIdentity }))).toEqual([LOCAL]);
    expect(ranked(setup([], here).choose())).toEqual([]);
  });

  it('is found behind any number of better ones that cost too much', () => {
    const dear = Array.from({ length: 3_000 }, (_, i): Seller => ({ name: `${i}`, price: 2 + i / 1_000 }));
    const decision = setup([...dear, { name: 'alice', price: 1, latency: 1_000 }]).choose({ amount: 1 });
    expect(ranked(decision)).toEqual(['alice']);
    expect(decision.excluded[0]).toEqual({ nodeId: nodeNamed('0'), reason: 'price_above_amount' });
  });

  it('is anybody but the origin’s own node, for a restricted capsule', () => {
    const restricted = { privacyRule: 'restricted' as const };
    const here = { price: 0, estimatedLatency: 0 };
    const both = setup([{ name: 'alice' }, { name: 'origin', latency: 99 }], here).choose(restricted);
    expect(ranked(both)).toEqual(['origin']);
    expect(excluded(both)).toEqual({ alice: 'not_granted', [LOCAL]: 'not_granted' });

    const own = setup([{ name: 'alice' }], here).choose({
      ...restricted,
      originIdentity: identityNamed('self'),
    });
    expect(ranked(own)).toEqual([LOCAL]);
    expect(excluded(own)).toEqual({ alice: 'not_granted' });

    const nobody = setup([{ name: 'alice' }], here).choose(restricted);
    expect(nobody).toMatchObject({ ranking: [], leastBad: false });
  });

  it('is anybody else, where one node is asked for', () => {
    const here = { price: 0, estimatedLatency: 0 };
    const { choose } = setup([{ name: 'alice' }, { name: 'bob', price: 1, latency: 99 }], here);
    const decision = choose({ amount: 1 }, { only: nodeNamed('bob') });
    expect(ranked(decision)).toEqual(['bob']);
    expect(excluded(decision)).toEqual({ alice: 'not_requested', [LOCAL]: 'not_requested' });
    expect(ranked(choose({}, { only: SELF }))).toEqual([LOCAL]);
    expect(ranked(choose({}, { only: LOCAL }))).toEqual([LOCAL]);
    expect(choose({}, { only: nodeNamed('erin') })).toMatchObject({ ranking: [], leastBad: false });
    expect(excluded(choose({}, { only: nodeNamed('bob') }))).toMatchObject({ bob: 'price_above_amount' });
  });

  it('is the node asked for, when the capsule is restricted to another', () => {
    const { choose } = setup([{ name: 'alice' }, { name: 'origin' }]);
    const decision = choose({ privacyRule: 'restricted' }, { only: nodeNamed('alice') });
    expect(ranked(decision)).toEqual([]);
    expect(excluded(decision)).toEqual({ alice: 'not_granted', origin: 'not_requested' });
  });
});

describe('who is left out for now', () => {
  const sellers: Seller[] = [
    { name: 'alice', latency: 1 },
    { name: 'bob', latency: 2 },
    { name: 'carol', latency: 3 },
    { name: 'dave', latency: 4 },
    { name: 'erin', latency: 5 },
  ];

  it('is named with the reason, and the others are ranked', () => {
    const { choose, health } = setup(sellers);
    health.declinedBusy(nodeNamed('alice'), CAPABILITY, 1_000);
    health.silent(nodeNamed('bob'), CAPABILITY);
    for (let i = 0; i < 3; i++) health.failed(nodeNamed('carol'), CAPABILITY, 'internal');
    const decision = choose({}, { tried: new Set([nodeNamed('dave')]) });
    expect(ranked(decision)).toEqual(['erin', 'bob']);
    expect(decision.ranking[1]?.reason).toMatch(/\. It did not answer when it was last asked\.$/);
    expect(excluded(decision)).toEqual({
      alice: 'busy',
      carol: 'circuit_open',
      dave: 'already_tried',
    });
  });

  it('goes last, in the order of the scores, while it is silent', () => {
    const { choose, health } = setup(sellers, { price: 0, estimatedLatency: 60 });
    for (const name of ['bob', 'alice', 'carol']) health.silent(nodeNamed(name), CAPABILITY);
    const decision = choose({}, { tried: new Set([nodeNamed('carol')]) });
    expect(ranked(decision)).toEqual(['dave', 'erin', LOCAL, 'alice', 'bob']);
    expect(excluded(decision)).toEqual({ carol: 'already_tried' });
    health.heardOf(nodeNamed('bob'));
    expect(ranked(choose())).toEqual(['bob', 'dave', 'erin', LOCAL, 'alice', 'carol']);
  });

  it('comes back when its time has passed', async () => {
    const { clock, choose, health } = setup(sellers);
    health.declinedBusy(nodeNamed('alice'), CAPABILITY, 1_000);
    await clock.advance(1_000);
    expect(ranked(choose())[0]).toBe('alice');
  });

  it('applies to this node by either of its names', () => {
    const here = { price: 0, estimatedLatency: 0 };
    for (const name of [SELF, LOCAL]) {
      const decision = setup(sellers, here).choose({}, { tried: new Set([name]) });
      expect(ranked(decision)[0]).toBe('alice');
      expect(excluded(decision)).toEqual({ [LOCAL]: 'already_tried' });
    }
    const { choose, health } = setup(sellers, here);
    health.declinedBusy(SELF, CAPABILITY, 1_000);
    expect(excluded(choose())).toEqual({ [LOCAL]: 'busy' });
  });

  it('is tried all the same when everybody is left out, the soonest first and the tried last', () => {
    const { choose, health } = setup(sellers.slice(0, 4));
    health.declinedBusy(nodeNamed('alice'), CAPABILITY, 5_000);
    health.declinedBusy(nodeNamed('bob'), CAPABILITY, 500);
    for (let i = 0; i < 3; i++) health.failed(nodeNamed('carol'), CAPABILITY, 'internal');
    const decision = choose({}, { tried: new Set([nodeNamed('dave')]) });
    expect(decision.leastBad).toBe(true);
    expect(ranked(decision)).toEqual(['bob', 'alice', 'carol', 'dave']);
    expect(decision.ranking[0]?.reason).toMatch(/\. It is busy, but nobody better is left\.$/);
    expect(Object.keys(excluded(decision))).toHaveLength(4);
  });

  it('is not tried when the price, the grant or the request leaves it out', () => {
    const { choose, health } = setup([{ name: 'alice', price: 1 }, { name: 'bob' }]);
    health.declinedBusy(nodeNamed('alice'), CAPABILITY, 5_000);
    health.silent(nodeNamed('bob'), CAPABILITY);
    expect(ranked(choose())).toEqual(['bob']);
    expect(choose({}, { only: nodeNamed('alice') }).ranking).toEqual([]);
    expect(choose({ privacyRule: 'restricted' }).ranking).toEqual([]);
    const sole = choose({ amount: 1 }, { only: nodeNamed('alice') });
    expect([ranked(sole), sole.leastBad]).toEqual([['alice'], true]);
  });

  it('is passed over however many are', () => {
    const busy = Array.from({ length: 1_000 }, (_, i): Seller => ({ name: `${i}` }));
    const { choose, health } = setup([...busy, { name: 'alice', latency: 50 }]);
    for (const { name } of busy) health.declinedBusy(nodeNamed(name), CAPABILITY, 1_000);
    expect(ranked(choose())).toEqual(['alice']);
  });
});

describe('the preferred locality', () => {
  const sellers: Seller[] = [
    { name: 'alice', ring: 'ring1', latency: 40 },
    { name: 'bob', ring: 'ring2', latency: 30 },
    { name: 'carol', ring: 'global', latency: 10 },
    { name: 'dave', ring: 'global', latency: 20 },
  ];
  const here = { price: 0, estimatedLatency: 50 };
  const order = (preferredLocality: Ring) =>
    ranked(setup(sellers, here).choose({ executionPolicy: { preferredLocality } }));

  it('goes first, then nearer ones, then farther ones', () => {
    expect(ranked(setup(sellers, here).choose())).toEqual(['carol', 'dave', 'bob', 'alice', LOCAL]);
    expect(order('local')).toEqual([LOCAL, 'alice', 'bob', 'carol', 'dave']);
    expect(order('ring1')).toEqual(['alice', LOCAL, 'bob', 'carol', 'dave']);
    expect(order('ring2')).toEqual(['bob', 'alice', LOCAL, 'carol', 'dave']);
    expect(order('global')).toEqual(['carol', 'dave', 'bob', 'alice', LOCAL]);
  });

  it('says so', () => {
    const decision = setup(sellers, here).choose({ executionPolicy: { preferredLocality: 'ring2' } });
    expect(decision.ranking[0]?.reason).toContain('in the preferred ring');
    expect(decision.ranking[1]?.reason).not.toContain('preferred');
  });

  it('leaves the ring when nobody there answers', () => {
    const { choose, health } = setup(sellers, here);
    health.silent(nodeNamed('bob'), CAPABILITY);
    expect(ranked(choose({ executionPolicy: { preferredLocality: 'ring2' } }))[0]).toBe('alice');
  });
});

describe('equals', () => {
  it('are told apart by the capsule’s id, always in the same way', () => {
    const { choose } = setup(['alice', 'bob', 'carol', 'dave'].map((name) => ({ name })));
    const first = (id: string) => ranked(choose({ id }))[0];
    const ids = Array.from({ length: 40 }, (_, i) => capsuleNamed(`${i}`).id);
    expect(new Set(ids.map(first)).size).toBe(4);
    expect(ids.map(first)).toEqual(ids.map(first));
    expect(choose().ranking[0]?.reason).toContain('one of 4 equals');
  });

  it('are equal across prices and rings, where the score is', () => {
    // 0.6 of price against 2 rings of distance.
    const sellers: Seller[] = [
      { name: 'alice', price: 0.6, ring: 'ring1' },
      { name: 'bob', price: 0, ring: 'global' },
      { name: 'carol', price: 0.3, ring: 'ring2' },
    ];
    const { choose } = setup(sellers);
    const firsts = Array.from({ length: 60 }, (_, i) => {
      return ranked(choose({ id: capsuleNamed(`${i}`).id, amount: 1 }))[0];
    });
    expect(new Set(firsts).size).toBe(3);
  });

  it('keep their capsules when another one leaves', () => {
    const sellers = Array.from({ length: 30 }, (_, i): Seller => ({ name: `${i}` }));
    const { choose, table } = setup(sellers);
    const ids = Array.from({ length: 300 }, (_, i) => capsuleNamed(`${i}`).id);
    const before = ids.map((id) => choose({ id }).ranking[0]?.nodeId);
    const gone = nodeNamed('7');
    table.remove(gone);
    const after = ids.map((id) => choose({ id }).ranking[0]?.nodeId);
    before.forEach((nodeId, index) => {
      if (nodeId !== gone) expect(after[index]).toBe(nodeId);
      else expect(after[index]).not.toBe(gone);
    });
    expect(before).toContain(gone);
  });
});

describe('the price of a candidate', () => {
  const sellers: Seller[] = [{ name: 'alice', price: 2 }];
  const price = (fields: Partial<Capsule>) => setup(sellers).choose(fields).ranking[0]?.price;

  it('is the amount, whatever the provider asks, unless the rule charges by price', () => {
    expect(price({ paymentRule: { type: 'credit', amount: 5 } })).toBe(5);
    const byPrice = { type: 'credit', amount: 5, charge: 'price' } as const;
    expect(price({ paymentRule: byPrice })).toBe(2);
    const byAmount = { type: 'credit', amount: 5, charge: 'amount' } as const;
    expect(price({ paymentRule: byAmount })).toBe(5);
  });

  it('never exceeds the amount, and is nothing where nothing is paid', () => {
    const here = { price: 7, estimatedLatency: 0 };
    const originIdentity = identityNamed('self');
    const own = (fields: Partial<Capsule>) =>
      setup([], here).choose({ originIdentity, ...fields }).ranking[0];
    const byPrice = { type: 'credit', amount: 5, charge: 'price' } as const;
    expect(own({ paymentRule: byPrice })?.price).toBe(5);
    expect(own({ paymentRule: null })?.price).toBe(0);
  });
});

describe('a node that was never met', () => {
  /** 200 invented ones that ask nothing, and one that is dear, slow and real. */
  function invented() {
    const market = setup([{ name: 'alice', price: 5, latency: 60, ring: 'global', roundTripMs: 300 }]);
    for (let index = 0; index < 200; index++) {
      market.table.apply({ nodeId: `invented-${index}`, sequence: 1, capabilities: [offer(CAPABILITY)] });
    }
    return market;
  }

  it('is never ranked before one that was, whatever it asks', () => {
    const { table, choose } = invented();
    const decision = choose({ amount: 5 });
    expect(ranked(decision)[0]).toBe('alice');
    expect(decision.ranking.map(({ proven }) => proven)).toEqual([
      true,
      ...Array(MAX_RANKED - 1).fill(false),
    ]);
    expect(decision.ranking[1]?.reason).toContain('at a node that was never met');
    table.updatePeer('invented-7', { ring: 'ring1', roundTripMs: 1 });
    expect(choose({ amount: 5 }).ranking[0]?.nodeId).toBe('invented-7');
  });

  it('is not preferred for its locality either, and comes before who is silent', () => {
    const { choose, health } = invented();
    const executionPolicy = { preferredLocality: 'global' as const };
    expect(ranked(choose({ amount: 5, executionPolicy }))[0]).toBe('alice');
    health.silent(nodeNamed('alice'), CAPABILITY);
    expect(choose({ amount: 5 }).ranking[0]?.proven).toBe(false);
  });
});

describe('a capsule that names a model', () => {
  const CHAT = 'ai.chat';
  function models(listed: Record<string, unknown>, here?: string[]) {
    const clock = new VirtualClock();
    const table = new ProviderTable({ clock });
    for (const [name, models] of Object.entries(listed)) {
      const detail = models === undefined ? {} : { detail: { models } };
      const capabilities = [{ ...offer(CHAT), ...detail }];
      table.apply({ nodeId: nodeNamed(name), sequence: 1, capabilities }, { ring: 'ring1', roundTripMs: 0 });
    }
    const health = new PeerHealthTracker({ clock });
    const local = () =>
      here && { capability: { idempotent: true }, price: 0, estimatedLatency: 9, detail: { models: here } };
    const scheduler = createScheduler({ table, health, local, nodeId: SELF });
    return (
      model: JsonValue | undefined,
      fields: Partial<Capsule> = {},
      options: Partial<ChooseOptions> = {},
    ) => {
      const payload: JsonObject = model === undefined ? {} : { payload: { model } };
      const capsule = capsuleNamed('one', { requestedCapability: CHAT, ...fields, payload });
      return scheduler.choose(capsule, { now: 0, ...options });
    };
  }
  const listed = {
    alice: [{ name: 'gemma3:4b', digest: 'ab' }],
    bob: ['gemma3:latest', 'gemma3:4b'],
    carol: undefined,
    dave: [],
  };

  it('goes only to nodes that list it, or list none', () => {
    const choose = models(listed);
    const decision = choose('gemma3:4b');
    expect(ranked(decision).toSorted()).toEqual(['alice', 'bob', 'carol']);
    expect(excluded(decision)).toEqual({ dave: 'no_model' });
    expect(ranked(choose(undefined)).toSorted()).toEqual(['alice', 'bob', 'carol', 'dave']);
    expect(ranked(choose('gemma9')).toSorted()).toEqual(['carol']);
  });

  it('means `latest` where it names no tag', () => {
    const choose = models(listed);
    expect(ranked(choose('gemma3')).toSorted()).toEqual(['bob', 'carol']);
    expect(excluded(choose('gemma3'))).toEqual({ alice: 'no_model', dave: 'no_model' });
  });

  it('is not executed here without it either, nor at the one node that was asked for', () => {
    expect(ranked(models({}, ['gemma3:4b'])('gemma3:4b'))).toEqual([LOCAL]);
    const decision = models({}, ['gemma3:4b'])('gemma3:27b');
    expect([ranked(decision), excluded(decision)]).toEqual([[], { [LOCAL]: 'no_model' }]);
    const only = models(listed)('gemma3', {}, { only: nodeNamed('alice') });
    expect(ranked(only)).toEqual([]);
    expect(excluded(only)).toMatchObject({ alice: 'no_model' });
  });

  it('is nothing special for what is no capability of a model', () => {
    const choose = models({ alice: ['gemma3:4b'] });
    expect(ranked(choose(7))).toEqual(['alice']);
    const { table, choose: analyze } = setup([]);
    table.apply({
      nodeId: nodeNamed('bob'),
      sequence: 1,
      capabilities: [{ ...offer(CAPABILITY), detail: { models: ['x'] } }],
    });
    expect(ranked(analyze({ payload: { model: 'y' } }))).toEqual(['bob']);
  });

  it('is found behind any number of nodes that have others', () => {
    const many = Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`${index}`, ['gemma3:4b']]));
    const decision = models({ ...many, alice: ['rare:1b'] })('rare:1b');
    expect(ranked(decision)).toEqual(['alice']);
    expect(decision.excludedBy).toEqual({ no_model: 3_000 });
    expect(decision.excluded).toHaveLength(MAX_EXCLUDED_NAMED);
  });
});

describe('why nobody was ranked', () => {
  const why = (decision: Decision) => explainNobody(decision);

  it('is said in one sentence, with how many', () => {
    expect(why(setup([]).choose())).toBe('No known node offers text.analyze.');
    const dear = Array.from({ length: 3 }, (_, index): Seller => ({ name: `${index}`, price: 2 }));
    expect(why(setup(dear).choose({ amount: 1 }))).toBe('3 nodes offer text.analyze, none at this price.');
    const here = { price: 3, estimatedLatency: 0 };
    expect(why(setup([], here).choose({ amount: 1 }))).toBe(
      '1 node offers text.analyze, none at this price.',
    );
    expect(why(setup(dear).choose({ amount: 9, privacyRule: 'restricted' }))).toBe(
      '3 nodes offer text.analyze, none may execute a restricted capsule of this origin.',
    );
    expect(why(setup(dear).choose({ amount: 9 }, { only: nodeNamed('9') }))).toBe(
      '3 nodes offer text.analyze, none of them is the one that was asked for.',
    );
  });

  it('counts all, however many are named', () => {
    const dear = Array.from({ length: 5_000 }, (_, index): Seller => ({ name: `${index}`, price: 2 }));
    const { choose, health } = setup([...dear, { name: 'alice' }, { name: 'bob' }], {
      price: 2,
      estimatedLatency: 0,
    });
    health.declinedBusy(nodeNamed('alice'), CAPABILITY, 1_000);
    const decision = choose({ amount: 1 }, { tried: new Set([nodeNamed('bob')]) });
    expect(decision.leastBad).toBe(true);
    expect(decision.excludedBy).toEqual({ price_above_amount: 5_001, busy: 1, already_tried: 1 });
    expect(why(decision)).toBe(
      '5003 nodes offer text.analyze: 5001 above this price, 1 tried already, 1 busy.',
    );
  });
});

describe('what is known of a capability', () => {
  const knowing = (names: string[], here: string[] = []) => {
    const clock = new VirtualClock();
    const table = new ProviderTable({ clock });
    const capabilities = names.map((name) => offer(name));
    if (names.length > 0) table.apply({ nodeId: nodeNamed('alice'), sequence: 1, capabilities });
    const local = (id: string) =>
      here.includes(id) ? { capability: { idempotent: true }, price: 0, estimatedLatency: 0 } : undefined;
    const parts = { table, local, localNames: () => here, health: new PeerHealthTracker({ clock }) };
    return createScheduler({ ...parts, nodeId: SELF });
  };

  it('is how many offer it, this node included', () => {
    expect(knowing(['ai.chat'], ['ai.chat']).knows('ai.chat')).toEqual({
      providers: 2,
      nearest: null,
      heard: true,
    });
    expect(knowing([]).knows('ai.chat')).toEqual({ providers: 0, nearest: null, heard: false });
  });

  it('is the nearest name where nobody does', () => {
    const names = ['text.stats', 'text.analyze', 'ai.summarize'];
    const nearest = (name: string, here?: string[]) => knowing(names, here).knows(name).nearest;
    expect(nearest('text.analyse')).toBe('text.analyze');
    expect(nearest('ai.sumarize')).toBe('ai.summarize');
    expect(nearest('video.render')).toBeNull();
    expect(nearest('data.stor', ['data.store'])).toBe('data.store');
  });
});
