import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import { AddressBook, LEARNED_PEERS_MAX } from '../../../src/network/address-book.ts';
import { DialPolicy } from '../../../src/network/dial-policy.ts';
import { nodeIdOfSeed, seedOf } from '../../support/network.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const [alice, mallory] = [nodeIdOfSeed(seedOf(1)), nodeIdOfSeed(seedOf(2))];
const HERE = '/ip4/10.0.0.1/tcp/4470';
const THERE = '/ip4/8.8.8.8/tcp/4471/ws';

function setup({ interfaces = ['10.9.9.9', '127.0.0.1'], listening = ['/ip4/0.0.0.0/tcp/1'] } = {}) {
  const clock = new VirtualClock();
  const dials: string[] = [];
  const state = { peers: 0 };
  const policy = new DialPolicy({
    clock,
    listening: () => listening.map((address) => multiaddr(address)),
    interfaces: () => interfaces,
  });
  const book = new AddressBook({
    clock,
    policy,
    peerCount: () => state.peers,
    found: (nodeId) => dials.push(nodeId),
  });
  const targets = (nodeId: string): string[] => book.targets(nodeId).map(String);
  return { clock, book, dials, state, targets };
}

describe('the address book', () => {
  it('gives where a node answered, the newest first, and then what it claims', () => {
    const { book, targets } = setup();
    book.proved(alice, multiaddr(`/dns4/example.org/tcp/1/p2p/${alice}`));
    book.proved(alice, multiaddr(HERE));
    book.learn(alice, [THERE, `${HERE}/p2p/${alice}`]);
    expect(targets(alice)).toEqual([HERE, '/dns4/example.org/tcp/1', THERE]);
  });

  it('replaces what the node said before', () => {
    const { book, targets } = setup();
    book.learn(alice, [HERE]);
    book.claim(alice, [THERE]);
    expect(targets(alice)).toEqual([THERE]);
    book.learn(alice, []);
    expect(targets(alice)).toEqual([]);
  });

  it.each([
    ['of another node', `${HERE}/p2p/${mallory}`],
    ['through another node', `${HERE}/p2p/${mallory}/p2p-circuit/p2p/${alice}`],
    ['that is a list of others', '/dnsaddr/many.example'],
    ['with a name, whose owner decides where it leads', '/dns4/victim.example/tcp/4470'],
    ['that is too long', `/dns4/${'x'.repeat(256)}/tcp/1`],
    ['that is none', 'tcp://10.0.0.1:4470'],
    ['that is only a peer id', `/p2p/${alice}`],
    ['that is empty', ''],
    ['of a private network that this node is not in', '/ip4/192.168.1.1/tcp/4470'],
    ['of this machine, for a node that others reach', '/ip4/127.0.0.1/tcp/4470'],
    ['of nobody', '/ip4/0.0.0.0/tcp/4470'],
    ['of many', '/ip4/224.0.0.1/tcp/4470'],
    ['of a service that is no node', '/ip4/8.8.8.8/tcp/22'],
    ['of port 0', '/ip4/8.8.8.8/tcp/0'],
    ['of a transport that this node does not have', '/ip4/8.8.8.8/udp/4470/quic-v1'],
    ['without a transport', '/ip4/8.8.8.8'],
  ])('leaves out an address %s', (_name, address) => {
    const { book, dials, targets } = setup();
    book.learn(alice, [address]);
    expect(targets(alice)).toEqual([]);
    expect(dials).toEqual([]);
  });

  it('takes addresses of this machine where the node listens there alone', () => {
    const { book, targets } = setup({ listening: ['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/1'] });
    book.learn(alice, ['/ip4/127.0.0.1/tcp/4470']);
    expect(targets(alice)).toHaveLength(1);
  });

  it('takes no more than 8 addresses', () => {
    const { book, targets } = setup();
    book.learn(
      alice,
      Array.from({ length: 1_000 }, (_, index) => `/ip4/10.0.0.1/tcp/${index + 2_000}`),
    );
    expect(targets(alice)).toHaveLength(8);
  });

  it('has a node dialled once in 30 s, however often and whatever it claims', async () => {
    const { book, clock, dials } = setup();
    for (let port = 1; port <= 100; port++) book.learn(alice, [`/ip4/10.0.0.1/tcp/${port + 2_000}`]);
    await clock.advance(29_999);
    book.learn(alice, [HERE]);
    expect(dials).toEqual([alice]);
    await clock.advance(1);
    book.learn(alice, [HERE]);
    expect(dials).toEqual([alice, alice]);
  });

  it('knocks a few times at a victim that many invented nodes claim to be, whoever asks', async () => {
    const { book, clock, targets } = setup();
    let knocks = 0;
    const flood = (): void => {
      for (let seed = 0; seed < 256; seed++) {
        const nodeId = nodeIdOfSeed(seedOf(seed));
        const claimed = Array.from({ length: 8 }, (_, port) => `/ip4/8.8.8.8/tcp/${2_000 + seed * 8 + port}`);
        book.learn(nodeId, claimed);
        knocks += targets(nodeId).length;
      }
    };
    flood();
    expect(knocks).toBe(6);
    await clock.advance(20_000);
    flood();
    expect(knocks).toBe(8);
  });

  it('knocks only so often in all, and keeps half of it for those with work', () => {
    const { book, dials, targets } = setup();
    let knocks = 0;
    for (let seed = 0; seed < 256; seed++) {
      const nodeId = nodeIdOfSeed(seedOf(seed));
      book.learn(nodeId, [`/ip4/8.8.${seed}.8/tcp/4470`]);
      if (dials.at(-1) === nodeId) knocks += targets(nodeId).length;
    }
    expect(knocks).toBe(32);
    book.claim(alice, [THERE]);
    expect(targets(alice)).toHaveLength(1);
  });

  it('only remembers while many peers are connected', () => {
    const { book, dials, state, targets } = setup();
    state.peers = LEARNED_PEERS_MAX;
    book.learn(alice, [HERE]);
    expect(dials).toEqual([]);
    expect(targets(alice)).toHaveLength(1);
    state.peers--;
    book.learn(alice, [HERE]);
    expect(dials).toEqual([alice]);
  });
});
