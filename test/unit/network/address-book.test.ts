import type { PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import { AddressBook, LEARNED_PEERS_MAX } from '../../../src/network/address-book.ts';
import { nodeIdOfSeed, seedOf } from '../../support/network.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const [alice, mallory] = [nodeIdOfSeed(seedOf(1)), nodeIdOfSeed(seedOf(2))];
const HERE = '/ip4/10.0.0.1/tcp/4470';
const THERE = '/dns4/node.example/tcp/4471/ws';

function setup(proven: string[] = []) {
  const clock = new VirtualClock();
  const dials: string[] = [];
  const state = { peers: 0 };
  const addresses = proven.map((address) => ({ multiaddr: multiaddr(address), isCertified: false }));
  const book = new AddressBook({
    clock,
    proven: () => ({
      has: async () => addresses.length > 0,
      get: async (id: PeerId) => ({ id, addresses, protocols: [], metadata: new Map(), tags: new Map() }),
    }),
    peerCount: () => state.peers,
    found: ({ id }) => dials.push(id.toString()),
  });
  const targets = async (nodeId: string): Promise<string[]> => {
    const found = await book.targets(peerIdFromString(nodeId));
    return Array.isArray(found) ? found.map(String) : [];
  };
  return { clock, book, dials, state, targets };
}

describe('the address book', () => {
  it('gives what was proven and what is claimed, with the peer id', async () => {
    const { book, targets } = setup([HERE]);
    book.learn(alice, [THERE, `${HERE}/p2p/${alice}`]);
    expect(await targets(alice)).toEqual([HERE, THERE, HERE].map((address) => `${address}/p2p/${alice}`));
  });

  it('replaces what the node said before', async () => {
    const { book, targets } = setup();
    book.learn(alice, [HERE]);
    book.learn(alice, [THERE]);
    expect(await targets(alice)).toEqual([`${THERE}/p2p/${alice}`]);
    book.learn(alice, []);
    expect(await targets(alice)).toEqual([]);
  });

  it.each([
    ['of another node', `${HERE}/p2p/${mallory}`],
    ['through another node', `${HERE}/p2p/${mallory}/p2p-circuit/p2p/${alice}`],
    ['that is a list of others', '/dnsaddr/many.example'],
    ['that is too long', `/dns4/${'x'.repeat(256)}/tcp/1`],
    ['that is none', 'tcp://10.0.0.1:4470'],
    ['that is only a peer id', `/p2p/${alice}`],
    ['that is empty', ''],
  ])('leaves out an address %s', async (_name, address) => {
    const { book, dials, targets } = setup();
    book.learn(alice, [address]);
    expect(await targets(alice)).toEqual([]);
    expect(dials).toEqual([]);
  });

  it('takes no more than 8 addresses', async () => {
    const { book, targets } = setup();
    book.learn(
      alice,
      Array.from({ length: 1_000 }, (_, index) => `/ip4/10.0.0.1/tcp/${index + 1}`),
    );
    expect(await targets(alice)).toHaveLength(8);
  });

  it('has a node dialled once in 30 s, however often and whatever it claims', async () => {
    const { book, clock, dials } = setup();
    for (let port = 1; port <= 100; port++) book.learn(alice, [`/ip4/10.0.0.1/tcp/${port}`]);
    await clock.advance(29_999);
    book.learn(alice, [HERE]);
    expect(dials).toEqual([alice]);
    await clock.advance(1);
    book.learn(alice, [HERE]);
    expect(dials).toEqual([alice, alice]);
  });

  it('has only so many dialled when a flood of nodes is invented', async () => {
    const { book, clock, dials } = setup();
    const flood = (from: number): void => {
      for (let seed = from; seed < from + 100; seed++) book.learn(nodeIdOfSeed(seedOf(seed)), [HERE]);
    };
    flood(1);
    expect(dials).toHaveLength(LEARNED_PEERS_MAX + 1);
    await clock.advance(1_000);
    flood(101);
    expect(dials.length).toBeLessThan(LEARNED_PEERS_MAX + 5);
  });

  it('only remembers while many peers are connected', async () => {
    const { book, dials, state, targets } = setup();
    state.peers = LEARNED_PEERS_MAX;
    book.learn(alice, [HERE]);
    expect(dials).toEqual([]);
    expect(await targets(alice)).toHaveLength(1);
    state.peers--;
    book.learn(alice, [HERE]);
    expect(dials).toEqual([alice]);
  });
});
