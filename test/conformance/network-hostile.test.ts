import { request } from 'node:http';
import { createConnection, createServer } from 'node:net';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { type GossipSub, gossipsub } from '@libp2p/gossipsub';
import { type Identify, identify } from '@libp2p/identify';
import type { Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import type { Libp2p } from 'libp2p';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EXCHANGE_PROTOCOL, MARKET_TOPIC } from '../../protocols/common/v1/limits.ts';
import { encodeFrame } from '../../src/network/frame.ts';
import type { Libp2pNetworkInit } from '../../src/network/libp2p-network.ts';
import type { Network } from '../../src/network/types.ts';
import {
  addressOf,
  advertisement,
  idOf,
  libp2pNode,
  nextEvent,
  nodeIdOfSeed,
  query,
  seedOf,
} from '../support/network.ts';
import { stranger } from '../support/stranger.ts';

type Bare = Libp2p<{ identify: Identify; pubsub: GossipSub }>;

const running: { stop(): unknown }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()));
});

/** A peer that keeps to none of the rules above the transport. */
async function mallory(): Promise<Bare> {
  const bare = await stranger({
    privateKey: await generateKeyPairFromSeed('Ed25519', seedOf(66)),
    services: {
      identify: identify(),
      pubsub: gossipsub({ floodPublish: true, allowPublishToZeroTopicPeers: true }),
    },
  });
  running.push(bare);
  return bare;
}

/** The node under attack, an honest peer that it is connected to, and Mallory with an open exchange stream. */
async function attacked(init: Partial<Libp2pNetworkInit> = {}) {
  const [node, honest, bare] = [libp2pNode(1, init), libp2pNode(2), await mallory()];
  for (const network of [node, honest]) {
    running.push(network);
    await network.start();
  }
  const from: string[] = [];
  node.onMessage((peer, message) => from.push(`${peer} ${idOf(message)}`));
  await honest.dial(addressOf(node));
  const met = nextEvent(node, 'peer:connect', (nodeId) => nodeId === bare.peerId.toString());
  const stream = await bare.dialProtocol(multiaddr(addressOf(node)), EXCHANGE_PROTOCOL);
  await met;
  return { node, honest, bare, stream, from, mallory: bare.peerId.toString() };
}

/** Resolves when both ends know that the node cut Mallory off. */
async function cutOff(node: Network, bare: Bare): Promise<void> {
  await Promise.all([
    nextEvent(node, 'peer:disconnect'),
    new Promise((resolve) => bare.addEventListener('peer:disconnect', resolve, { once: true })),
  ]);
}

/** The honest peer notices nothing: it is still connected, and its messages arrive. */
async function expectUnharmed(node: Network, honest: Network, from: string[]): Promise<void> {
  expect(node.isConnected(honest.nodeId)).toBe(true);
  await honest.send(node.nodeId, query('still here'));
  await vi.waitFor(() => expect(from).toContain(`${honest.nodeId} still here`));
}

const json = (value: unknown): Uint8Array => encodeFrame(Buffer.from(JSON.stringify(value)));
/** The TCP port of an address. */
const portOf = (address: string): number => Number(/\/tcp\/(\d+)/.exec(address)?.[1]);
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

const garbage: [name: string, bytes: Uint8Array][] = [
  ['bytes that are no frame', Buffer.alloc(64, 0xff)],
  ['a frame that is not JSON', encodeFrame(Buffer.from('{"type":'))],
  ['a frame that is not UTF-8', encodeFrame(Buffer.from([0x22, 0xc3, 0x28, 0x22]))],
  ['a frame that is no object', json([1, 2, 3])],
  ['null', json(null)],
  ['an object without a type', json({ exchangeId: '1' })],
  ['a message against its schema', json({ type: 'capability_query', exchangeId: 7 })],
  ['a type that names a prototype property', json({ type: 7, __proto__: {} })],
  [
    'a name given twice',
    encodeFrame(Buffer.from('{"type":"capability_query","exchangeId":"1","exchangeId":"2"}')),
  ],
  [
    'an own __proto__',
    encodeFrame(Buffer.from('{"type":"capability_query","exchangeId":"1","__proto__":{}}')),
  ],
  ['JSON nested ten thousand deep', encodeFrame(Buffer.from(nested(10_000)))],
  ['an empty frame', Uint8Array.of(0)],
  ['a length prefix over the limit', Uint8Array.of(0xff, 0xff, 0xff, 0x7f)],
  ['a length prefix without an end', Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x80)],
];

describe('a peer that sends garbage', () => {
  it.each(garbage)('%s: is cut off, and nothing else happens', async (_name, bytes) => {
    const { node, honest, stream, from, mallory } = await attacked();
    const gone = nextEvent(node, 'peer:disconnect');
    stream.send(bytes);
    expect(await gone).toEqual([mallory]);
    expect(from).toEqual([]);
    await expectUnharmed(node, honest, from);
  });

  it('is refused for a while, also when it is dialled', async () => {
    const { node, bare, stream, mallory } = await attacked();
    const gone = cutOff(node, bare);
    stream.send(garbage[0]?.[1] ?? Uint8Array.of(0));
    await gone;
    await expect(bare.dialProtocol(multiaddr(addressOf(node)), EXCHANGE_PROTOCOL)).rejects.toThrow();
    expect(node.isConnected(mallory)).toBe(false);
    await expect(node.send(mallory, query('1'))).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('is heard again after that while', async () => {
    const { node, bare, stream, from, mallory } = await attacked({ limits: { refusalMs: 0 } });
    const gone = cutOff(node, bare);
    stream.send(Uint8Array.of(0));
    await gone;
    const again = await bare.dialProtocol(multiaddr(addressOf(node)), EXCHANGE_PROTOCOL);
    again.send(json(query('sorry')));
    await vi.waitFor(() => expect(from).toEqual([`${mallory} sorry`]));
  });

  it('has what it said before handled, and nothing after', async () => {
    const { node, stream, from, mallory } = await attacked();
    const gone = nextEvent(node, 'peer:disconnect');
    stream.send(Buffer.concat([json(query('before')), Uint8Array.of(0), json(query('after'))]));
    await gone;
    expect(from).toEqual([`${mallory} before`]);
  });
});

describe('a peer that is only unusual', () => {
  it('may split its frames into single bytes', async () => {
    const { node, stream, from, mallory } = await attacked();
    for (const byte of Buffer.concat([json(query('1')), json(query('2'))])) stream.send(Uint8Array.of(byte));
    await vi.waitFor(() => expect(from).toEqual([`${mallory} 1`, `${mallory} 2`]));
    expect(node.isConnected(mallory)).toBe(true);
  });

  it('may go away in mid-frame', async () => {
    const { node, honest, bare, stream, from } = await attacked();
    const gone = nextEvent(node, 'peer:disconnect');
    stream.send(json(query('1', { padding: 'x'.repeat(10_000) })).subarray(0, 5_000));
    await vi.waitFor(() => expect(stream.writeBufferLength).toBe(0));
    for (const connection of bare.getConnections()) connection.abort(new Error('gone'));
    await gone;
    expect(from).toEqual([]);
    await expectUnharmed(node, honest, from);
  });

  it('is told which types are unknown, on the stream it opened', async () => {
    const { node, stream, mallory } = await attacked();
    const answer = new Promise<string>((resolve) => {
      stream.addEventListener('message', (event) => resolve(Buffer.from(event.data.subarray()).toString()));
    });
    stream.send(json({ type: 'constructor' }));
    const text = await answer;
    expect(text).toContain('"code":"unsupported_message"');
    expect(text).toContain('"of":"constructor"');
    expect(node.isConnected(mallory)).toBe(true);
  });

  it('cannot open more streams than the protocol has use for', async () => {
    const { node, honest, bare, from } = await attacked();
    const streams: Stream[] = [];
    for (let count = 0; count < 20; count++) {
      const opened = await bare.dialProtocol(multiaddr(addressOf(node)), EXCHANGE_PROTOCOL).catch(() => null);
      if (opened !== null) streams.push(opened);
    }
    expect(streams.length).toBeGreaterThan(0);
    await vi.waitFor(() => expect(streams.filter(({ status }) => status === 'open').length).toBeLessThan(5));
    await expectUnharmed(node, honest, from);
  });

  it('is slowed down to the rate when it floods, while others are served', async () => {
    const kindBudgets = { capability_query: { perSecond: 1e6, burst: 1e6 } };
    const limits = { framesPerSecond: 50, rateBurstSeconds: 1, kindBudgets };
    const { node, honest, stream, from, mallory } = await attacked({ limits });
    const flood = Buffer.concat(Array.from({ length: 20_000 }, (_, count) => json(query(String(count)))));
    stream.send(flood);
    await vi.waitFor(() => expect(from.length).toBeGreaterThan(50));
    await expectUnharmed(node, honest, from);
    expect(from.filter((line) => line.startsWith(mallory)).length).toBeLessThan(1_000);
  });
});

describe('a peer that asks the same 20,000 times', () => {
  /** Read or not, with its type first or last. */
  const questions: [name: string, bytes: Uint8Array][] = [
    ['as every node does', json(query('again'))],
    ['with its type last', json({ exchangeId: 'again', type: 'capability_query' })],
  ];
  const answered = (from: string[], peer: string): number =>
    from.filter((line) => line.startsWith(peer)).length;

  it.each(questions)('%s: is heard a few times, while others are served', async (_name, question) => {
    const { node, honest, stream, from, mallory } = await attacked();
    stream.send(Buffer.concat(Array.from({ length: 20_000 }, () => question)));
    await vi.waitFor(() => expect(answered(from, mallory)).toBeGreaterThan(5));
    await expectUnharmed(node, honest, from);
    expect(answered(from, mallory)).toBeLessThan(50);
  });

  it('has no fresh allowance on another stream or another connection', async () => {
    const { node, honest, bare, stream, from, mallory } = await attacked();
    const flood = Buffer.concat(Array.from({ length: 100 }, () => json(query('again'))));
    stream.send(flood);
    await vi.waitFor(() => expect(answered(from, mallory)).toBeGreaterThan(5));
    for (let round = 0; round < 10; round++) {
      for (const connection of bare.getConnections()) connection.abort(new Error('again'));
      const another = await bare.dialProtocol(multiaddr(addressOf(node)), EXCHANGE_PROTOCOL);
      another.send(flood);
      await vi.waitFor(() => expect(another.writeBufferLength).toBe(0));
    }
    await expectUnharmed(node, honest, from);
    expect(answered(from, mallory)).toBeLessThan(30);
  });
});

describe('a peer that begins frames and does not end them', () => {
  it('holds only so much memory, and others are served', async () => {
    const { node, honest, bare, from } = await attacked({ limits: { partialFrameBytes: 1_000_000 } });
    const begun = json({ type: 'capsule_data', padding: 'x'.repeat(2_000_000) }).subarray(0, 600_000);
    const opened: Stream[] = [];
    for (let count = 0; count < 3; count++) {
      const another = await bare.dialProtocol(multiaddr(addressOf(node)), EXCHANGE_PROTOCOL);
      opened.push(another);
      another.send(begun);
      await vi.waitFor(() => expect(another.writeBufferLength).toBe(0));
    }
    await vi.waitFor(() => expect(opened.filter(({ status }) => status === 'open')).toHaveLength(1), 10_000);
    await expectUnharmed(node, honest, from);
  });
});

describe('nodes that are invented, all at the address of a victim', () => {
  it('make a node knock there a few times', async () => {
    let knocks = 0;
    const victim = createServer((socket) => {
      knocks++;
      socket.on('error', () => {});
      running.push({ stop: () => socket.destroy() });
    });
    running.push({ stop: () => victim.close() });
    await new Promise<void>((resolve) => victim.listen(0, '127.0.0.1', resolve));
    const bound = victim.address();
    if (typeof bound !== 'object' || bound === null) throw new Error('The victim has no port');
    const { node, honest, from } = await attacked();
    const claimed = ['', '/ws'].map((suffix) => `/ip4/127.0.0.1/tcp/${bound.port}${suffix}`);
    for (let seed = 70; seed < 250; seed++) node.learn(nodeIdOfSeed(seedOf(seed)), claimed);
    await vi.waitFor(() => expect(knocks).toBeGreaterThan(0), 10_000);
    await expectUnharmed(node, honest, from);
    expect(knocks).toBeLessThan(66);
  });
});

describe('a crowd of strangers', () => {
  const LIMITS = { maxConnections: 16, maxPerNearHost: 12, tenureMs: 0 };

  async function crowded() {
    const node = libp2pNode(1, { limits: LIMITS });
    running.push(node);
    await node.start();
    const address = multiaddr(addressOf(node));
    for (let count = 0; count < 20; count++) {
      const peer = await stranger();
      running.push(peer);
      await peer.dial(address);
    }
    return { node, address };
  }

  it('does not lock an honest newcomer out, and one host does not hold every place', async () => {
    const { node, address } = await crowded();
    const honest = libp2pNode(2);
    running.push(honest);
    await honest.start();
    const met = nextEvent(node, 'peer:connect', (nodeId) => nodeId === honest.nodeId);
    await honest.dial(String(address));
    await met;
    await vi.waitFor(() => expect(node.peers().length).toBeLessThanOrEqual(LIMITS.maxPerNearHost));
  });

  it('does not push out a peer that did useful work', async () => {
    const node = libp2pNode(1, { limits: LIMITS });
    const [worker, idle] = [libp2pNode(2), libp2pNode(3)];
    for (const network of [node, worker, idle]) {
      running.push(network);
      await network.start();
    }
    const met = nextEvent(node, 'peer:connect', (nodeId) => nodeId === worker.nodeId);
    await worker.dial(addressOf(node));
    await met;
    node.favour(worker.nodeId);
    await idle.dial(addressOf(node));
    for (let count = 0; count < 20; count++) {
      const peer = await stranger();
      running.push(peer);
      await peer.dial(multiaddr(addressOf(node)));
    }
    expect(node.isConnected(worker.nodeId)).toBe(true);
    await vi.waitFor(() => expect(node.isConnected(idle.nodeId)).toBe(false));
  });
});

describe('a web page', () => {
  /** What the node answers to the request by which a browser opens a WebSocket. */
  async function opened(origin: string | null, init: Partial<Libp2pNetworkInit> = {}): Promise<string> {
    const node = libp2pNode(1, { listen: ['/ip4/127.0.0.1/tcp/0/ws'], ...init });
    running.push(node);
    await node.start();
    const port = portOf(addressOf(node));
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'MDEyMzQ1Njc4OWFiY2RlZg==',
      ...(origin !== null && { Origin: origin }),
    };
    const ask = request({ port, host: '127.0.0.1', headers });
    running.push({ stop: () => ask.destroy() });
    return new Promise((resolve, reject) => {
      ask.on('upgrade', (response, socket) => {
        socket.destroy();
        resolve(String(response.statusCode));
      });
      ask.on('response', (response) => resolve(String(response.statusCode)));
      ask.on('error', reject);
      ask.end();
    });
  }

  it.each(['https://evil.example', 'http://127.0.0.1:4480', 'null', ''])(
    'of the origin "%s" cannot open the WebSocket',
    async (origin) => expect(await opened(origin)).toBe('401'),
  );

  it('can where the operator says so, and programs always can', async () => {
    const origins = ['https://mesh.example'];
    expect(await opened('https://mesh.example', { origins })).toBe('101');
    expect(await opened(null)).toBe('101');
  });
});

describe('a socket that does not speak libp2p', () => {
  async function says(bytes: string) {
    const setup = await attacked();
    const socket = createConnection({ port: portOf(addressOf(setup.node)), host: '127.0.0.1' });
    running.push({ stop: () => socket.destroy() });
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.write(bytes);
    return { ...setup, closed };
  }

  it.each(['\0'.repeat(100_000), `\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n${'x'.repeat(500)}`])(
    'is closed where that can be no handshake, and nothing else happens (%#)',
    async (bytes) => {
      const { node, honest, from, closed } = await says(bytes);
      await closed;
      await expectUnharmed(node, honest, from);
    },
  );

  it.each(['GET / HTTP/1.1\r\nHost: x\r\n\r\n', `\x13/multistream/1.0.0\n\x07/noise\n${'x'.repeat(500)}`])(
    'harms nobody while it may go on with a handshake (%#)',
    async (bytes) => {
      const { node, honest, from } = await says(bytes);
      await expectUnharmed(node, honest, from);
    },
  );
});

describe('a peer that spoils gossip', () => {
  async function gossiping() {
    const setup = await attacked();
    const { node, honest, bare } = setup;
    const handled: string[] = [];
    node.subscribe(
      MARKET_TOPIC,
      () => 'accept',
      (from, message) => handled.push(`${from} ${message.type}`),
    );
    await vi.waitFor(() => {
      expect(bare.services.pubsub.getSubscribers(MARKET_TOPIC)).toHaveLength(1);
      expect(honest.subscribers(MARKET_TOPIC)).toBe(1);
    });
    const publish = (value: unknown) =>
      bare.services.pubsub.publish(MARKET_TOPIC, Buffer.from(JSON.stringify(value)));
    return { ...setup, handled, publish };
  }

  it.each([
    ['the name of another node', (node: Network) => advertisement(node.nodeId, 1)],
    ['a message against its schema', () => ({ type: 'capability_advertisement', nodeId: 'x' })],
    ['no object', () => 'hello'],
    ['more than the limit', () => ({ type: 'x', padding: 'x'.repeat(70_000) })],
  ])('with %s is cut off, and others are heard', async (_name, message) => {
    const { node, honest, handled, mallory, publish } = await gossiping();
    const gone = nextEvent(node, 'peer:disconnect');
    await publish(message(honest));
    expect(await gone).toEqual([mallory]);
    await honest.publish(MARKET_TOPIC, advertisement(honest.nodeId, 1));
    await vi.waitFor(() => expect(handled).toEqual([`${honest.nodeId} capability_advertisement`]));
  });

  it('by inventing topics makes the node remember a few', async () => {
    const { node, honest, bare } = await attacked();
    const topics = Array.from({ length: 1_000 }, (_, count) => `/invented/${count}`);
    bare.services.pubsub.subscribe('/invented/0');
    await vi.waitFor(() => expect(node.subscribers('/invented/0')).toBe(1), 10_000);
    for (const topic of topics) bare.services.pubsub.subscribe(topic);
    honest.subscribe(
      MARKET_TOPIC,
      () => 'accept',
      () => {},
    );
    await vi.waitFor(() => expect(node.subscribers(MARKET_TOPIC)).toBe(1), 10_000);
    expect(topics.filter((topic) => node.subscribers(topic) > 0).length).toBeLessThan(80);
  });

  it('by flooding is heard at its rate only', async () => {
    const { honest, handled, mallory, publish } = await gossiping();
    await Promise.all(Array.from({ length: 300 }, (_, count) => publish(advertisement(mallory, count))));
    await honest.publish(MARKET_TOPIC, advertisement(honest.nodeId, 1));
    await vi.waitFor(() => expect(handled).toContain(`${honest.nodeId} capability_advertisement`), 10_000);
    expect(handled.filter((line) => line.startsWith(mallory)).length).toBeLessThan(250);
  });
});
