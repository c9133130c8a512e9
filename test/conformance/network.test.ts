import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ExchangeMessage, GossipMessage } from '../../protocols/messages/v1/schema.ts';
import type { NetworkLimits } from '../../src/network/limits.ts';
import { MemoryHub } from '../../src/network/memory-hub.ts';
import { MemoryNetwork } from '../../src/network/memory-network.ts';
import type { GossipVerdict, Network } from '../../src/network/types.ts';
import {
  addressOf,
  advertisement,
  idOf,
  libp2pNode,
  nextEvent,
  nodeIdOfSeed,
  query,
  seedOf,
  silentLog,
} from '../support/network.ts';

const TOPIC = '/capsule-mesh/1/market';
/** These tests send the smallest message there is, and many of them. */
const UNBOUNDED_QUERIES = { capability_query: { perSecond: 1e6, burst: 1e6 } };
const STRANGER = nodeIdOfSeed(seedOf(99));

type Create = (seed: number, limits: Partial<NetworkLimits>) => Network;

const implementations: [name: string, factory: () => Create][] = [
  [
    'memory',
    () => {
      const hub = new MemoryHub();
      return (seed, limits) =>
        new MemoryNetwork({ hub, log: silentLog }, { nodeId: nodeIdOfSeed(seedOf(seed)), limits });
    },
  ],
  ['libp2p', () => (seed, limits) => libp2pNode(seed, { limits })],
];

describe.each(implementations)('the %s network', (_name, factory) => {
  const started: Network[] = [];

  afterEach(async () => {
    await Promise.all(started.splice(0).map((network) => network.stop()));
  });

  async function nodes<const T extends readonly number[]>(
    seeds: T,
    limits: Partial<NetworkLimits> = {},
  ): Promise<{ [K in keyof T]: Network }> {
    const create = factory();
    const all = seeds.map((seed) => create(seed, { kindBudgets: UNBOUNDED_QUERIES, ...limits }));
    for (const network of all) {
      started.push(network);
      await network.start();
    }
    return all as { [K in keyof T]: Network };
  }

  async function pair(limits: Partial<NetworkLimits> = {}): Promise<[Network, Network]> {
    const [a, b] = await nodes([1, 2], limits);
    const met = nextEvent(b, 'peer:connect');
    await a.dial(addressOf(b));
    await met;
    return [a, b];
  }

  /** Everything that arrives at `network`, and a wait for so many. */
  function inbox(network: Network) {
    const messages: ExchangeMessage[] = [];
    network.onMessage((_from, message) => messages.push(message));
    return {
      messages,
      ids: () => messages.map(idOf),
      count: (count: number) => vi.waitFor(() => expect(messages.length).toBeGreaterThanOrEqual(count)),
    };
  }

  it('takes its node id from its key and announces addresses that carry it', async () => {
    const [a] = await nodes([1]);
    expect(a.nodeId).toBe(nodeIdOfSeed(seedOf(1)));
    expect(a.addresses().length).toBeGreaterThan(0);
    for (const address of a.addresses()) expect(address).toMatch(new RegExp(`/p2p/${a.nodeId}$`));
  });

  it('tells both ends of a connection, and measures it', async () => {
    const [a, b] = await nodes([1, 2]);
    const both = Promise.all([nextEvent(a, 'peer:connect'), nextEvent(b, 'peer:connect')]);
    const measured = nextEvent(a, 'peer:measured', ({ roundTripMs }) => roundTripMs !== null);
    expect(await a.dial(addressOf(b))).toBe(b.nodeId);
    expect(await both).toEqual([[b.nodeId], [a.nodeId]]);
    const [peer] = await measured;
    expect(peer).toMatchObject({ nodeId: b.nodeId, direction: 'outbound', ring: 'ring1' });
    expect(peer.roundTripMs).toBeGreaterThanOrEqual(0);
    expect(a.peers().map(({ nodeId }) => nodeId)).toEqual([b.nodeId]);
    expect(a.peer(b.nodeId)?.addresses).toHaveLength(1);
    expect(b.peer(a.nodeId)?.direction).toBe('inbound');
    expect(a.peer(STRANGER)).toBeUndefined();
  });

  it('connects once however often it is dialled', async () => {
    const [a, b] = await pair();
    const again = vi.fn();
    a.on('peer:connect', again);
    expect(await a.dial(addressOf(b))).toBe(b.nodeId);
    expect(again).not.toHaveBeenCalled();
    expect(a.peers()).toHaveLength(1);
  });

  it('connects to a node where it says it can be dialled', async () => {
    const [a, b] = await nodes([1, 2]);
    const met = nextEvent(b, 'peer:connect');
    a.learn(b.nodeId, ['nonsense', ...b.addresses()]);
    expect(await met).toEqual([a.nodeId]);
    const atB = inbox(b);
    await a.send(b.nodeId, query('1'));
    await atB.count(1);
  });

  it("dials nobody for an address that is none, or another node's, or its own", async () => {
    const [a, b] = await nodes([1, 2]);
    const met = vi.fn();
    b.on('peer:connect', met);
    a.learn(STRANGER, ['', 'nonsense', '/', `/p2p/${STRANGER}`, ...b.addresses()]);
    a.learn(a.nodeId, b.addresses());
    a.learn(b.nodeId, []);
    await expect(a.send(STRANGER, query('1'))).rejects.toMatchObject({ code: 'unreachable' });
    expect(met).not.toHaveBeenCalled();
  });

  it('delivers in order, in both directions at once', async () => {
    const [a, b] = await pair();
    const [atA, atB] = [inbox(a), inbox(b)];
    const expected = Array.from({ length: 500 }, (_, index) => String(index + 1));
    await Promise.all(expected.flatMap((id) => [a.send(b.nodeId, query(id)), b.send(a.nodeId, query(id))]));
    await Promise.all([atA.count(500), atB.count(500)]);
    expect(atA.ids()).toEqual(expected);
    expect(atB.ids()).toEqual(expected);
  });

  it('is one peer, and in order, when both dial at the same time', async () => {
    const [a, b] = await nodes([1, 2]);
    const [atA, atB] = [inbox(a), inbox(b)];
    const connects = vi.fn();
    a.on('peer:connect', connects);
    const expected = Array.from({ length: 200 }, (_, index) => String(index + 1));
    await Promise.all([a.dial(addressOf(b)), b.dial(addressOf(a))]);
    await Promise.all(expected.flatMap((id) => [a.send(b.nodeId, query(id)), b.send(a.nodeId, query(id))]));
    await Promise.all([atA.count(200), atB.count(200)]);
    expect(atA.ids()).toEqual(expected);
    expect(atB.ids()).toEqual(expected);
    expect(connects).toHaveBeenCalledOnce();
    expect(a.peers()).toHaveLength(1);
  });

  it('delivers large frames whole', async () => {
    const [a, b] = await pair();
    const atB = inbox(b);
    const padding = 'é'.repeat(500_000);
    for (const id of ['1', '2', '3']) await a.send(b.nodeId, query(id, { padding }));
    await atB.count(3);
    expect(atB.messages).toEqual(['1', '2', '3'].map((id) => query(id, { padding })));
  });

  it('says who sent', async () => {
    const [a, b] = await pair();
    const from = new Promise<string>((resolve) => b.onMessage(resolve));
    await a.send(b.nodeId, query('1'));
    expect(await from).toBe(a.nodeId);
  });

  it('refuses to send where nobody is', async () => {
    const [a] = await nodes([1]);
    await expect(a.send(STRANGER, query('1'))).rejects.toMatchObject({ code: 'unreachable' });
    await expect(a.send(a.nodeId, query('1'))).rejects.toMatchObject({ code: 'unreachable' });
    await expect(a.dial('nonsense')).rejects.toMatchObject({ code: 'unreachable' });
    await expect(a.dial(`/ip4/127.0.0.1/tcp/1/p2p/${STRANGER}`)).rejects.toMatchObject({
      code: 'unreachable',
    });
  });

  it('refuses a frame over the limit, and goes on', async () => {
    const [a, b] = await pair({ frameBytes: 2_000 });
    const atB = inbox(b);
    const padding = 'x'.repeat(2_000);
    await expect(a.send(b.nodeId, query('1', { padding }))).rejects.toMatchObject({ code: 'too_large' });
    await a.send(b.nodeId, query('2'));
    await atB.count(1);
    expect(atB.ids()).toEqual(['2']);
  });

  it('refuses with busy when too many frames wait, and delivers those it took', async () => {
    const [a, b] = await pair({ sendQueueFrames: 10 });
    const atB = inbox(b);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, index) => a.send(b.nodeId, query(String(index + 1)))),
    );
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(20);
    expect(refused[0]).toMatchObject({ reason: { code: 'busy' } });
    await atB.count(10);
    await a.send(b.nodeId, query('after'));
    await atB.count(11);
    expect(atB.ids()).toEqual([...Array.from({ length: 10 }, (_, index) => String(index + 1)), 'after']);
  });

  it('refuses with busy when too many bytes wait', async () => {
    const [a, b] = await pair({ sendQueueBytes: 5_000 });
    inbox(b);
    const padding = 'x'.repeat(2_000);
    const outcomes = await Promise.allSettled(
      ['1', '2', '3'].map((id) => a.send(b.nodeId, query(id, { padding }))),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(outcomes[2]).toMatchObject({ reason: { code: 'busy' } });
  });

  it('does not send what was aborted before', async () => {
    const [a, b] = await pair();
    const atB = inbox(b);
    const signal = AbortSignal.abort();
    await expect(a.send(b.nodeId, query('1'), { signal })).rejects.toMatchObject({ code: 'cancelled' });
    await expect(a.dial(addressOf(b), { signal })).rejects.toMatchObject({ code: 'cancelled' });
    await a.send(b.nodeId, query('2'), { signal: new AbortController().signal });
    await atB.count(1);
    expect(atB.ids()).toEqual(['2']);
  });

  it('hands over nothing before a handler is there, and then what was sent, in order', async () => {
    const [a, b] = await pair();
    const sent = Promise.all(['1', '2', '3'].map((id) => a.send(b.nodeId, query(id))));
    await new Promise<void>((resolve) => setImmediate(resolve));
    const atB = inbox(b);
    await sent;
    await atB.count(3);
    expect(atB.ids()).toEqual(['1', '2', '3']);
  });

  it('hands over nothing after the removal of a handler, and the rest to the next one', async () => {
    const [a, b] = await pair();
    const seen: string[] = [];
    const remove = b.onMessage((_from, message) => seen.push(idOf(message)));
    await a.send(b.nodeId, query('1'));
    await vi.waitFor(() => expect(seen).toEqual(['1']));
    remove();
    const gone = a.send(b.nodeId, query('2')).catch(() => {});
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(seen).toEqual(['1']);
    const atB = inbox(b);
    await gone;
    await a.send(b.nodeId, query('3'));
    // The second one comes too where its stream was not closed before it was read.
    await vi.waitFor(() => expect(atB.ids().at(-1)).toBe('3'));
    expect(seen).toEqual(['1']);
    remove();
    await a.send(b.nodeId, query('4'));
    await vi.waitFor(() => expect(atB.ids().at(-1)).toBe('4'));
  });

  it('does not wait for what a handler promises, keeps the order, and survives its rejection', async () => {
    const [a, b] = await pair();
    const seen: string[] = [];
    b.onMessage(async (_from, message) => {
      seen.push(idOf(message));
      await new Promise<void>((resolve) => setImmediate(resolve));
      throw new Error('the part above failed');
    });
    await Promise.all(['1', '2', '3'].map((id) => a.send(b.nodeId, query(id))));
    await vi.waitFor(() => expect(seen).toEqual(['1', '2', '3']));
    expect(b.isConnected(a.nodeId)).toBe(true);
  });

  it('reads no more of a peer whose messages are not finished with', async () => {
    const [a, b] = await pair({ handlingPerPeer: 2 });
    const seen: string[] = [];
    const finish: (() => void)[] = [];
    b.onMessage((_from, message) => {
      seen.push(idOf(message));
      return new Promise<void>((resolve) => finish.push(resolve));
    });
    await Promise.all(['1', '2', '3', '4', '5'].map((id) => a.send(b.nodeId, query(id))));
    await vi.waitFor(() => expect(seen).toEqual(['1', '2']));
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(seen).toEqual(['1', '2']);
    for (let count = 0; count < 5; count++) {
      await vi.waitFor(() => expect(finish.length).toBeGreaterThan(0));
      finish.shift()?.();
    }
    await vi.waitFor(() => expect(seen).toEqual(['1', '2', '3', '4', '5']));
  });

  it('survives a handler that throws', async () => {
    const [a, b] = await pair();
    const seen: string[] = [];
    b.onMessage((_from, message) => {
      seen.push(idOf(message));
      if (seen.length === 1) throw new Error('the part above failed');
    });
    await a.send(b.nodeId, query('1'));
    await a.send(b.nodeId, query('2'));
    await vi.waitFor(() => expect(seen).toEqual(['1', '2']));
    expect(b.isConnected(a.nodeId)).toBe(true);
  });

  it('declines an unknown type by name, and thinks no worse of the sender', async () => {
    const [a, b] = await pair();
    const [atA, atB] = [inbox(a), inbox(b)];
    const capsuleId = 'ab'.repeat(32);
    const unknown = { type: 'capsule_teleport', capsuleId } as unknown as ExchangeMessage;
    await a.send(b.nodeId, unknown);
    await atA.count(1);
    expect(atA.messages[0]).toMatchObject({
      type: 'capsule_decline',
      of: 'capsule_teleport',
      capsuleId,
      code: 'unsupported_message',
      message: expect.stringContaining('capsule_teleport'),
    });
    await a.send(b.nodeId, query('2'));
    await atB.count(1);
    expect(atB.ids()).toEqual(['2']);
  });

  it('declines a message whose document is not acceptable, with the code of the document', async () => {
    const [a, b] = await pair();
    const [atA] = [inbox(a), inbox(b)];
    const data = {
      type: 'capsule_data',
      capsule: { id: 'ab'.repeat(32), version: 2 },
    } as unknown as ExchangeMessage;
    await a.send(b.nodeId, data);
    await atA.count(1);
    expect(atA.messages[0]).toMatchObject({
      type: 'capsule_decline',
      of: 'capsule_data',
      capsuleId: 'ab'.repeat(32),
      code: 'unsupported_version',
    });
    expect(b.isConnected(a.nodeId)).toBe(true);
  });

  it.each([
    ['no type', { exchangeId: '1' }],
    ['a wrong field', { type: 'capability_query', exchangeId: 7 }],
    ['a missing field', { type: 'capsule_accept', of: 'order' }],
  ])('cuts off a peer that sends a message with %s', async (_name, message) => {
    const [a, b] = await pair();
    const atB = inbox(b);
    const gone = Promise.all([nextEvent(a, 'peer:disconnect'), nextEvent(b, 'peer:disconnect')]);
    await a.send(b.nodeId, message as unknown as ExchangeMessage);
    expect(await gone).toEqual([[b.nodeId], [a.nodeId]]);
    expect(atB.messages).toEqual([]);
    expect(b.isConnected(a.nodeId)).toBe(false);
  });

  it('tells the other end when it stops, and is unreachable then', async () => {
    const [a, b] = await pair();
    const gone = nextEvent(a, 'peer:disconnect');
    await b.stop();
    expect(await gone).toEqual([b.nodeId]);
    expect(a.isConnected(b.nodeId)).toBe(false);
    expect(a.peers()).toEqual([]);
    expect(b.peers()).toEqual([]);
    expect(b.addresses()).toEqual([]);
    await expect(a.send(b.nodeId, query('1'))).rejects.toMatchObject({ code: 'unreachable' });
    await expect(b.send(a.nodeId, query('1'))).rejects.toMatchObject({ code: 'unreachable' });
    await expect(b.publish(TOPIC, advertisement(b.nodeId, 1))).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('stops twice and starts again', async () => {
    const [a, b] = await pair();
    await b.stop();
    await b.stop();
    await b.start();
    await b.start();
    await b.dial(addressOf(a));
    const atA = inbox(a);
    await b.send(a.nodeId, query('1'));
    await atA.count(1);
  });

  it('stops before it was started', async () => {
    const network = factory()(3, {});
    await expect(network.stop()).resolves.toBeUndefined();
    expect(network.peers()).toEqual([]);
  });

  it('delivers what was sent and published just before it stops', async () => {
    const [a, b] = await pair();
    const atB = inbox(b);
    const goodbye = new Promise((resolve) => {
      b.subscribe(
        TOPIC,
        () => 'accept',
        (_from, message) => resolve(message),
      );
    });
    await vi.waitFor(() => expect(a.subscribers(TOPIC)).toBe(1));
    await a.send(b.nodeId, query('last'));
    await a.publish(TOPIC, advertisement(a.nodeId, 9));
    await a.stop();
    await atB.count(1);
    expect(await goodbye).toMatchObject({ sequence: 9 });
  });

  it('keeps the other listeners when one throws or is removed', async () => {
    const [a, b] = await nodes([1, 2]);
    const [removed, kept] = [vi.fn(), vi.fn()];
    a.on('peer:connect', () => {
      throw new Error('a listener failed');
    });
    a.on('peer:connect', removed);
    a.on('peer:connect', kept);
    a.off('peer:connect', removed);
    await a.dial(addressOf(b));
    expect(kept).toHaveBeenCalledExactlyOnceWith(b.nodeId);
    expect(removed).not.toHaveBeenCalled();
  });

  describe('gossip', () => {
    /** Subscribes, and records what was judged and what was handled, by sequence. */
    function subscribe(network: Network, judge: (message: GossipMessage) => GossipVerdict = () => 'accept') {
      const record = { judged: [] as [string, number][], handled: [] as number[] };
      network.subscribe(
        TOPIC,
        (from, message) => {
          record.judged.push([from, sequenceOf(message)]);
          return judge(message);
        },
        (_from, message) => record.handled.push(sequenceOf(message)),
      );
      return record;
    }

    const sequenceOf = (message: GossipMessage): number =>
      message.type === 'capability_advertisement' ? message.sequence : -1;

    async function subscribedPair(judge?: (message: GossipMessage) => GossipVerdict) {
      const [a, b] = await pair();
      const atB = subscribe(b, judge);
      await vi.waitFor(() => expect(a.subscribers(TOPIC)).toBe(1));
      return { a, b, atB };
    }

    it('handles what the validator accepts, and only that', async () => {
      const { a, atB } = await subscribedPair((message) => {
        const sequence = sequenceOf(message);
        return sequence === 1 ? 'ignore' : sequence === 2 ? 'reject' : 'accept';
      });
      for (const sequence of [1, 2, 3]) await a.publish(TOPIC, advertisement(a.nodeId, sequence));
      await vi.waitFor(() => expect(atB.handled).toContain(3));
      expect(atB.handled).toEqual([3]);
      expect(atB.judged).toEqual([1, 2, 3].map((sequence) => [a.nodeId, sequence]));
    });

    it('survives a validator and a handler that throw', async () => {
      const [a, b] = await pair();
      const handled: number[] = [];
      b.subscribe(
        TOPIC,
        (_from, message) => {
          if (sequenceOf(message) === 1) throw new Error('the validator failed');
          return 'accept';
        },
        (_from, message) => {
          handled.push(sequenceOf(message));
          if (sequenceOf(message) === 2) throw new Error('the handler failed');
        },
      );
      await vi.waitFor(() => expect(a.subscribers(TOPIC)).toBe(1));
      for (const sequence of [1, 2, 3]) await a.publish(TOPIC, advertisement(a.nodeId, sequence));
      await vi.waitFor(() => expect(handled).toEqual([2, 3]));
    });

    it('publishes where nobody listens, and not to itself', async () => {
      const [a] = await nodes([1]);
      const atA = subscribe(a);
      await a.publish(TOPIC, advertisement(a.nodeId, 1));
      expect(a.subscribers(TOPIC)).toBe(0);
      expect(atA.judged).toEqual([]);
    });

    it('never shows the validator a message in the name of another, and cuts its sender off', async () => {
      const { a, b, atB } = await subscribedPair();
      const gone = nextEvent(b, 'peer:disconnect');
      await a.publish(TOPIC, advertisement(STRANGER, 1));
      expect(await gone).toEqual([a.nodeId]);
      expect(atB.judged).toEqual([]);
    });

    it('ignores an unknown type', async () => {
      const { a, b, atB } = await subscribedPair();
      const unknown = { type: 'weather_report', nodeId: a.nodeId } as unknown as GossipMessage;
      await a.publish(TOPIC, unknown);
      await a.publish(TOPIC, advertisement(a.nodeId, 2));
      await vi.waitFor(() => expect(atB.handled).toEqual([2]));
      expect(b.isConnected(a.nodeId)).toBe(true);
    });

    it('refuses to publish more than the limit', async () => {
      const { a } = await subscribedPair();
      const large = { ...advertisement(a.nodeId, 1), padding: 'x'.repeat(65_536) };
      await expect(a.publish(TOPIC, large)).rejects.toMatchObject({ code: 'too_large' });
    });

    it('ends with unsubscribe', async () => {
      const { a, b, atB } = await subscribedPair();
      b.unsubscribe(TOPIC);
      b.unsubscribe(TOPIC);
      await vi.waitFor(() => expect(a.subscribers(TOPIC)).toBe(0));
      await a.publish(TOPIC, advertisement(a.nodeId, 1));
      expect(atB.judged).toEqual([]);
    });

    it('passes on what was accepted, and nothing else, through a node in the middle', async () => {
      const [a, b, c] = await nodes([1, 2, 3]);
      subscribe(a);
      const atB = subscribe(b, (message) => (sequenceOf(message) % 2 === 0 ? 'accept' : 'ignore'));
      const atC = subscribe(c);
      await b.dial(addressOf(a));
      await b.dial(addressOf(c));
      await vi.waitFor(() => expect(b.subscribers(TOPIC)).toBe(2));
      let sequence = 0;
      // The mesh of a real network takes a moment to form.
      await vi.waitFor(
        async () => {
          for (let twice = 0; twice < 2; twice++) await a.publish(TOPIC, advertisement(a.nodeId, ++sequence));
          expect(atC.handled.length).toBeGreaterThan(0);
        },
        { timeout: 15_000, interval: 100 },
      );
      expect(atC.judged.every(([from, number]) => from === a.nodeId && number % 2 === 0)).toBe(true);
      expect(atB.judged.some(([, number]) => number % 2 === 1)).toBe(true);
      expect(c.isConnected(a.nodeId)).toBe(false);
    });
  });
});
