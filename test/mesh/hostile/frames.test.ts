import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import type { Libp2p } from 'libp2p';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EXCHANGE_PROTOCOL } from '../../../protocols/common/v1/limits.ts';
import { encodeFrame } from '../../../src/network/frame.ts';
import { expectSoundBooks, receiptsOf } from '../../support/books.ts';
import { Cluster, ECHO, type NodeStatus, type RealNode } from '../../support/cluster.ts';
import { stranger } from '../../support/stranger.ts';

const BIG = 900_000;
/** Where a transfer of `BIG` is cut: in its middle. */
const CUT_AT = 300_000;
const frame = (text: string): Uint8Array => encodeFrame(Buffer.from(text));

const cluster = new Cluster();
let provider: RealNode;
let client: RealNode;

beforeAll(async () => {
  provider = await cluster.start({ capabilities: [ECHO] });
  client = await cluster.start({ bootstrap: [provider] });
  await client.knows(provider, 'test.echo');
});

afterAll(() => cluster[Symbol.asyncDispose]());

describe('a hostile peer', () => {
  const peers: Libp2p[] = [];

  afterEach(async () => {
    await Promise.all(peers.splice(0).map((peer) => peer.stop()));
  });

  it.each([
    ['bytes that are no text', encodeFrame(Uint8Array.of(0xff, 0xfe, 0x00, 0x80))],
    ['text that is no JSON', frame('GET / HTTP/1.1')],
    ['half a document', frame('{"type":"capsule_request","exchangeId":')],
    ['a name twice in one object', frame('{"type":"capability_query","type":"x","exchangeId":"1"}')],
    ['a message that is none', frame('[1,2,3]')],
    ['an empty frame', Uint8Array.of(0)],
    ['a length beyond the limit', Uint8Array.of(0xff, 0xff, 0xff, 0x7f)],
    ['a length without an end', new Uint8Array(16).fill(0xff)],
    ['a flood of nothing', new Uint8Array(1_000_000).fill(0x80)],
  ])('is cut off for %s, while others are served', async (_, bytes) => {
    const before = await provider.get<NodeStatus>('/api/node');
    const { stream, peer, address } = await dial(provider);
    const [connection] = peer.getConnections();
    const closed = new Promise((resolve) => connection?.addEventListener('close', resolve, { once: true }));
    const served = client.submit({ requestedCapability: 'test.slow', payload: { steps: 50 } });
    stream.send(bytes);
    await closed;
    await expect(peer.dialProtocol(address, EXCHANGE_PROTOCOL)).rejects.toThrow();
    expect(await client.ended(await served)).toMatchObject({ status: 'completed' });
    const after = await provider.get<NodeStatus>('/api/node');
    expect(after.capsules).toEqual({ ...before.capsules, completed: before.capsules.completed + 1 });
  });

  it('leaves nothing behind when it goes in the middle of a large order', async () => {
    const before = await provider.get<NodeStatus>('/api/node');
    const { stream, peer } = await dial(provider);
    const order = frame(JSON.stringify({ type: 'capsule_data', exchangeId: '1', capsule: 'x'.repeat(BIG) }));
    stream.send(order.subarray(0, CUT_AT));
    await peer.stop();
    const id = await client.submit({ requestedCapability: 'test.echo', payload: { still: 'there' } });
    expect(await client.ended(id)).toMatchObject({ status: 'completed' });
    const after = await provider.get<NodeStatus>('/api/node');
    expect(after.capsules).toEqual({ ...before.capsules, completed: before.capsules.completed + 1 });
  });

  async function dial(
    node: RealNode,
  ): Promise<{ peer: Libp2p; stream: Stream; address: ReturnType<typeof multiaddr> }> {
    const peer = await stranger();
    peers.push(peer);
    const address = multiaddr(String(node.addresses[0]));
    return { peer, address, stream: await peer.dialProtocol(address, EXCHANGE_PROTOCOL) };
  }
});

describe('a line that breaks in the middle of a large transfer', () => {
  let line: Line;

  afterEach(() => line.close());

  it.each(['to', 'from'] as const)('%s the executor loses nothing', async (direction) => {
    line = await Line.open(provider);
    const exchange = { graceMs: 100, announceIntervalMs: 100, searchMs: 60_000 };
    const submitter = await cluster.start({ dial: [line.address], config: { exchange } });
    await submitter.knows(provider, 'test.echo');
    const broken = line.breakAfter(CUT_AT, direction);
    const text = 'x'.repeat(BIG);
    const id = await submitter.submit({
      requestedCapability: 'test.echo',
      payload: { text },
      paymentRule: { type: 'credit', amount: 1 },
    });
    await broken;
    expect(await submitter.ended(id)).toMatchObject({ status: 'completed', result: { text } });
    expect(await receiptsOf(provider, id, 'completed')).toHaveLength(1);
    await expectSoundBooks([submitter, provider]);
  });
});

/** A proxy before a node, which can break. */
class Line {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #left = Number.POSITIVE_INFINITY;
  #direction: 'to' | 'from' = 'to';
  #broken: () => void = () => {};

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  static async open(node: RealNode): Promise<Line> {
    const [, port = '', nodeId = ''] = /\/tcp\/(\d+)\/p2p\/(.+)$/.exec(String(node.addresses[0])) ?? [];
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw new Error('The line has no port');
    const line = new Line(server, `/ip4/127.0.0.1/tcp/${bound.port}/p2p/${nodeId}`);
    server.on('connection', (near) => line.#join(near, connect(Number(port), '127.0.0.1')));
    return line;
  }

  /** Breaks every connection once, after so many more bytes in one direction. */
  breakAfter(bytes: number, direction: 'to' | 'from'): Promise<void> {
    this.#left = bytes;
    this.#direction = direction;
    return new Promise((resolve) => {
      this.#broken = resolve;
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(near: Socket, far: Socket): void {
    for (const [from, to, direction] of [
      [near, far, 'to'],
      [far, near, 'from'],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.on('data', (chunk) => {
        if (direction === this.#direction) this.#left -= chunk.length;
        if (this.#left > 0) return void to.write(chunk);
        this.#left = Number.POSITIVE_INFINITY;
        for (const socket of this.#sockets) socket.destroy();
        this.#broken();
      });
    }
  }
}
