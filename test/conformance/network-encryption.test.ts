import { noise } from '@chainsafe/libp2p-noise';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import type { Connection } from '@libp2p/interface';
import { tls } from '@libp2p/tls';
import { multiaddr } from '@multiformats/multiaddr';
import type { Libp2p } from 'libp2p';
import { afterEach, expect, it } from 'vitest';
import { addressOf, libp2pNode, nextEvent, nodeIdOfSeed, seedOf } from '../support/network.ts';
import { stranger } from '../support/stranger.ts';

const running: { stop(): unknown }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()));
});

const only = {
  noise: [noise()],
  tls: [tls()],
  'noise before tls': [noise(), tls()],
  'tls before noise': [tls(), noise()],
};
type Offer = keyof typeof only;

async function peer(offer: Offer): Promise<Libp2p> {
  const bare = await stranger({
    privateKey: await generateKeyPairFromSeed('Ed25519', seedOf(66)),
    connectionEncrypters: only[offer],
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  });
  running.push(bare);
  return bare;
}

async function node() {
  const network = libp2pNode(1);
  running.push(network);
  await network.start();
  return network;
}

it.each<[Offer, string]>([
  ['noise', '/noise'],
  ['tls', '/tls/1.0.0'],
  ['tls before noise', '/tls/1.0.0'],
])('is dialled by a peer that offers %s, over %s', async (offer, protocol) => {
  const [network, bare] = [await node(), await peer(offer)];
  const met = nextEvent(network, 'peer:connect');
  const connection = await bare.dial(multiaddr(addressOf(network)));
  expect(connection.encryption).toBe(protocol);
  expect(connection.remotePeer.toString()).toBe(network.nodeId);
  expect(await met).toEqual([bare.peerId.toString()]);
});

it.each<[Offer, string]>([
  ['noise', '/noise'],
  ['tls', '/tls/1.0.0'],
  ['noise before tls', '/tls/1.0.0'],
])('dials a peer that offers %s, over %s', async (offer, protocol) => {
  const [network, bare] = [await node(), await peer(offer)];
  const opened = new Promise<Connection>((resolve) =>
    bare.addEventListener('connection:open', (event) => resolve(event.detail), { once: true }),
  );
  expect(await network.dial(String(bare.getMultiaddrs()[0]))).toBe(bare.peerId.toString());
  expect((await opened).encryption).toBe(protocol);
});

it.each<Offer>(['noise', 'tls'])('does not take one peer for another over %s', async (offer) => {
  const [network, bare] = [await node(), await peer(offer)];
  const [address = ''] = bare.getMultiaddrs().map(String);
  const elsewhere = address.replace(bare.peerId.toString(), nodeIdOfSeed(seedOf(67)));
  await expect(network.dial(elsewhere)).rejects.toMatchObject({ code: 'unreachable' });
  expect(network.peers()).toEqual([]);
});
