import { connect, createServer, type Server } from 'node:net';
import { identify } from '@libp2p/identify';
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { createLibp2pNetwork, type Libp2pNetworkInit } from '../../../src/network/libp2p-network.ts';
import type { Network } from '../../../src/network/types.ts';
import {
  addressOf,
  libp2pNode,
  nextEvent,
  nodeIdOfSeed,
  query,
  seedOf,
  silentLog,
} from '../../support/network.ts';
import { stranger } from '../../support/stranger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
});

async function started(seed: number, init: Partial<Libp2pNetworkInit> = {}): Promise<Network> {
  const network = libp2pNode(seed, init);
  running.push(network);
  await network.start();
  return network;
}

/** A TCP port of the loopback that another program listens on. */
function takenPort(): Promise<number> {
  return listening(createServer());
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  running.push({ stop: () => new Promise((resolve) => server.close(() => resolve())) });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The server has no port');
  return address.port;
}

/** A port of the loopback whose connections go on to another one, as a router does. */
async function forwarder() {
  let target = 0;
  let connections = 0;
  const server = createServer((inbound) => {
    connections += 1;
    const outbound = connect(target, '127.0.0.1');
    inbound.pipe(outbound).pipe(inbound);
    for (const [one, other] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  const port = await listening(server);
  return {
    port,
    to: (next: number) => {
      target = next;
    },
    get connections() {
      return connections;
    },
  };
}

const portOf = (address: string): number => Number(/\/tcp\/(\d+)/.exec(address)?.[1]);

describe('starting the libp2p network', () => {
  it.each(['', '/ws'])('names the address that is taken (%s)', async (suffix) => {
    const taken = `/ip4/127.0.0.1/tcp/${await takenPort()}${suffix}`;
    await expect(started(1, { listen: ['/ip4/127.0.0.1/tcp/0', taken] })).rejects.toMatchObject({
      code: 'address_in_use',
      message: expect.stringContaining(taken),
      detail: { address: taken },
    });
  });

  it('gives back what it took when it fails, and can be started again', async () => {
    const blocker = await started(2);
    const taken = `/ip4/127.0.0.1/tcp/${portOf(addressOf(blocker))}`;
    const network = libp2pNode(1, { listen: [taken] });
    running.push(network);
    await expect(network.start()).rejects.toMatchObject({ code: 'address_in_use' });
    expect(network.addresses()).toEqual([]);
    await blocker.stop();
    await network.start();
    expect(addressOf(network)).toContain(taken);
  });

  it.each([
    ['listen', { listen: ['nonsense'] }, '"nonsense" is not an address'],
    ['bootstrap', { bootstrap: ['/ip4/1.2.3.4/tcp/x'] }, '/ip4/1.2.3.4/tcp/x'],
    ['announce', { announce: ['example.org'] }, 'example.org'],
    [
      'a transport it does not have',
      { listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] },
      '/ip4/127.0.0.1/udp/0/quic-v1',
    ],
    ['an address of another machine', { listen: ['/ip4/198.51.100.7/tcp/0'] }, '/ip4/198.51.100.7/tcp/0'],
  ])('refuses a bad address (%s)', async (_name, init, text) => {
    await expect(started(1, init)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(text),
    });
  });

  it('needs no address to dial others', async () => {
    const [a, b] = [await started(1, { listen: [] }), await started(2)];
    expect(a.addresses()).toEqual([]);
    expect(await a.dial(addressOf(b))).toBe(b.nodeId);
  });

  it('listens on WebSockets as well', async () => {
    const server = await started(2, { listen: ['/ip4/127.0.0.1/tcp/0/ws'] });
    const client = await started(1, { listen: [] });
    const received = new Promise<string>((resolve) => server.onMessage((from) => resolve(from)));
    await client.dial(addressOf(server));
    await client.send(server.nodeId, query('1'));
    expect(await received).toBe(client.nodeId);
  });

  it('announces what it is told to, before where it listens', async () => {
    const announce = ['/dns4/mesh.example/tcp/4470', `/ip4/8.8.8.8/tcp/80/ws/p2p/${nodeIdOfSeed(seedOf(1))}`];
    const network = await started(1, { announce });
    expect(network.addresses()).toEqual([
      `/dns4/mesh.example/tcp/4470/p2p/${network.nodeId}`,
      `/ip4/8.8.8.8/tcp/80/ws/p2p/${network.nodeId}`,
      expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\//),
    ]);
  });

  it.each([
    ['/ip4/0.0.0.0/tcp/4470', 'no host has that IP address'],
    ['/ip6/::/tcp/4470', 'no host has that IP address'],
    ['/ip4/192.168.1.10/tcp/0', 'port 0'],
    ['/ip4/192.168.1.10', 'it must be like'],
    ['/ip4/192.168.1.10/udp/4470/quic-v1', 'it must be like'],
    ['/dnsaddr/mesh.example/tcp/4470', 'it must be like'],
    [`/ip4/192.168.1.10/tcp/4470/p2p/${nodeIdOfSeed(seedOf(2))}`, 'this node is'],
  ])('announces nothing that others cannot dial (%s)', async (address, why) => {
    await expect(started(1, { announce: [address] })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(why),
      detail: { path: 'network.announce', found: address },
    });
  });

  it('is reached through a port that is forwarded, by whoever heard of that', async () => {
    const forwarded = await forwarder();
    const announce = [`/ip4/127.0.0.1/tcp/${forwarded.port}`];
    const [behind, other] = [await started(1, { announce }), await started(2)];
    behind.onMessage(() => {});
    forwarded.to(portOf(behind.addresses()[1] ?? ''));
    const heard = await stranger({ addresses: { listen: [] }, services: { identify: identify() } });
    running.push({ stop: async () => heard.stop() });
    const told = new Promise<string[]>((resolve) =>
      heard.addEventListener('peer:identify', ({ detail }) => resolve(detail.listenAddrs.map(String))),
    );
    await heard.dial(multiaddr(behind.addresses()[1]));
    const [first = ''] = await told;
    expect(first).toContain(announce[0]);
    other.learn(behind.nodeId, [first]);
    await other.send(behind.nodeId, query('1'));
    expect(other.peer(behind.nodeId)?.addresses).toEqual([expect.stringContaining(`/tcp/${forwarded.port}`)]);
    expect(forwarded.connections).toBeGreaterThan(0);
  });
});

describe('who may connect', () => {
  it('denies the listed, in both directions', async () => {
    const [a, b] = [await started(1, { deny: [nodeIdOfSeed(seedOf(2))] }), await started(2)];
    await expect(a.dial(addressOf(b))).rejects.toMatchObject({ code: 'unreachable' });
    await b.dial(addressOf(a)).catch(() => {});
    await vi.waitFor(() => expect(b.isConnected(a.nodeId)).toBe(false));
    expect(a.peers()).toEqual([]);
  });

  it('allows only the listed', async () => {
    const a = await started(1, { allow: [nodeIdOfSeed(seedOf(2))] });
    const [b, c] = [await started(2), await started(3)];
    expect(await b.dial(addressOf(a))).toBe(a.nodeId);
    await c.dial(addressOf(a)).catch(() => {});
    await vi.waitFor(() => expect(c.isConnected(a.nodeId)).toBe(false));
    expect(a.isConnected(c.nodeId)).toBe(false);
  });

  it('keeps to the number of connections', async () => {
    const a = await started(1, { limits: { maxConnections: 2 } });
    const others = await Promise.all([2, 3, 4, 5].map((seed) => started(seed)));
    await Promise.all(others.map((other) => other.dial(addressOf(a)).catch(() => {})));
    await vi.waitFor(() => expect(others.filter((other) => other.isConnected(a.nodeId))).toHaveLength(2));
    expect(a.peers()).toHaveLength(2);
  });
});

describe('staying connected', () => {
  it('dials its bootstrap nodes, and again when one comes back', async () => {
    const clock = new VirtualClock();
    const first = await started(2);
    const address = addressOf(first);
    const network = createLibp2pNetwork(
      { log: silentLog, clock, crypto: nodeCrypto },
      { seed: seedOf(1), listen: [], bootstrap: [address] },
    );
    running.push(network);
    const met = nextEvent(network, 'peer:connect');
    await network.start();
    expect(await met).toEqual([first.nodeId]);
    const gone = nextEvent(network, 'peer:disconnect');
    await first.stop();
    await gone;
    await started(2, { listen: [address.replace(/\/p2p\/.*/, '')] });
    const again = nextEvent(network, 'peer:connect');
    await clock.advance(1_000);
    expect(await again).toEqual([first.nodeId]);
    await network.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('sends to a node it knows without being told the address again', async () => {
    const [a, b] = [await started(1), await started(2)];
    const [gone, back] = [nextEvent(a, 'peer:disconnect'), nextEvent(b, 'peer:connect')];
    await b.dial(addressOf(a));
    await back;
    await vi.waitFor(() => expect(b.peer(a.nodeId)?.roundTripMs).not.toBeNull(), 10_000);
    const address = addressOf(b);
    await b.stop();
    await gone;
    const again = await started(2, { listen: [address.replace(/\/p2p\/.*/, '')] });
    const received = new Promise<string>((resolve) => again.onMessage((from) => resolve(from)));
    await a.send(b.nodeId, query('1'));
    expect(await received).toBe(a.nodeId);
  });
});

describe('stopping the libp2p network', () => {
  it('leaves no timer of its own', async () => {
    const clock = new VirtualClock();
    const network = createLibp2pNetwork(
      { log: silentLog, clock, crypto: nodeCrypto },
      { seed: seedOf(1), listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: [`/ip4/127.0.0.1/tcp/1`] },
    );
    const other = await started(2);
    await network.start();
    await network.dial(addressOf(other));
    await network.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('rejects what waits to be sent', async () => {
    const network = await started(1, { limits: { dialTimeoutMs: 60_000 } });
    const silent = `/ip4/127.0.0.1/tcp/${await takenPort()}`;
    const dialled = network.dial(silent);
    const sent = network.send(nodeIdOfSeed(seedOf(9)), query('1'));
    const outcomes = Promise.allSettled([dialled, sent]);
    await network.stop();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'unreachable' } });
    }
  });
});
